"""Any file is read row by row, or refused as a whole with the reason."""

import contextlib
import csv
import io
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from consumer.commands.contacts.csv_file import BadFile, Row, UnreadableRow, read_rows

COLUMNS = ("user_id", "name", "phone", "opt_in")
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | st.sampled_from(
    ["", " ", '"', '""', ",", ";", "\n", "\r", "a\nb", "+34 600 000 000"]
)


def rows_of(text: str) -> list[Row | UnreadableRow]:
    return list(read_rows(io.StringIO(text, newline=""), COLUMNS, "user_id"))


@given(st.text('user_id,name\n\r";\t=sep\0a1', max_size=60) | st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    found: list[Row | UnreadableRow] = []
    with contextlib.suppress(BadFile):
        found = rows_of(text)
    assert all(row.line > 1 for row in found)
    assert all(row.why for row in found if isinstance(row, UnreadableRow))


@given(st.lists(st.tuples(cells, cells, cells), max_size=6), st.sampled_from([",", ";", "\t"]))
def test_what_a_spreadsheet_writes_comes_back(rows: Sequence[tuple[str, str, str]], delimiter: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows([("user_id", "name", "phone"), *rows])
    expected = [[cell.strip() for cell in row] for row in rows]
    found = [list(row.cells.values()) for row in rows_of(file.getvalue()) if isinstance(row, Row)]
    assert found == [row for row in expected if any(row)]


@given(st.lists(st.tuples(st.sampled_from(["u1", "u2"]), cells), max_size=5), st.text('",\n', max_size=6))
def test_a_damaged_row_does_not_change_those_before_it(rows: Sequence[tuple[str, str]], damage: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("user_id", "name"), *rows])
    whole = rows_of(file.getvalue())
    assert rows_of(file.getvalue() + damage)[: len(whole)] == whole
