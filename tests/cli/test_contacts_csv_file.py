"""A CSV file becomes rows with line numbers, in the many forms that programs write."""

from pathlib import Path

import pytest

from consumer.commands.contacts.csv_file import BadFile, Row, UnreadableRow, open_csv, read_rows
from consumer.commands.contacts.validation import COLUMNS as ALL_COLUMNS

COLUMNS = ("user_id", "name", "phone")


def read(folder: Path, content: str | bytes) -> list[Row | UnreadableRow]:
    file = folder / "contacts.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with open_csv(file) as text:
        return list(read_rows(text, COLUMNS, "user_id"))


def one(folder: Path, content: str | bytes) -> Row:
    (row,) = read(folder, content)
    assert isinstance(row, Row)
    return row


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separators(tmp_path: Path, separator: str, end: str, mark: str) -> None:
    lines = [separator.join(cells) for cells in (("User_ID", " name ", "PHONE"), ("u1", "Ána", " 1 "), ("u2", "", ""))]
    found = read(tmp_path, mark + end.join(lines) + end)
    assert found == [
        Row(2, {"user_id": "u1", "name": "Ána", "phone": "1"}),
        Row(3, {"user_id": "u2", "name": "", "phone": ""}),
    ]


def test_a_single_column_needs_no_separator(tmp_path: Path) -> None:
    assert one(tmp_path, "user_id\nu,1\n".replace(",", "")).cells == {"user_id": "u1"}


def test_separator_in_quoted_text(tmp_path: Path) -> None:
    assert one(tmp_path, 'user_id;name\nu1;"Ann; called ""An"", of course"\n').cells["name"] == (
        'Ann; called "An", of course'
    )


def test_multi_line_row_has_the_number_of_its_first_line(tmp_path: Path) -> None:
    found = read(tmp_path, 'user_id,name\nu1,"Ann\nof\nSpain"\n\nu2,Bob\n')
    assert [row.line for row in found] == [2, 6]
    assert isinstance(found[0], Row)
    assert found[0].cells["name"] == "Ann\nof\nSpain"


def test_empty_lines_are_skipped(tmp_path: Path) -> None:
    assert one(tmp_path, "\n\nuser_id,name\n,\n , \nu1,Ann\n,\n").line == 6


def test_row_of_wrong_length_is_reported_with_its_line(tmp_path: Path) -> None:
    found = read(tmp_path, "user_id,name\nu1,Ann,more\nu2,Bob\nu3")
    assert [row.line for row in found if isinstance(row, UnreadableRow)] == [2, 4]
    assert isinstance(found[0], UnreadableRow)
    assert found[0].why.startswith("has 3 cells, but the first line has 2")


@pytest.mark.parametrize("row", ['u2,"Bob', 'u2,"Bob" Bobson'])
def test_misplaced_quote_is_reported_and_the_rest_read(tmp_path: Path, row: str) -> None:
    found = read(tmp_path, f"user_id,name\nu1,Ann\n{row}\n")
    assert [type(each) for each in found] == [Row, UnreadableRow]
    assert found[1].line == 3
    after = read(tmp_path, 'user_id,name\nu1,"Ann" Annson\nu2,Bob\n')
    assert [type(each) for each in after] == [UnreadableRow, Row]


def test_unclosed_quote_is_reported_where_it_begins(tmp_path: Path) -> None:
    found = read(tmp_path, 'user_id,name\nu0,"Ann\n' + "".join(f"u{n},Bob\n" for n in range(1, 50_000)))
    assert isinstance(found[0], UnreadableRow)
    assert found[0].line == 2


def test_non_utf8_bytes_are_reported_with_their_line(tmp_path: Path) -> None:
    found = read(tmp_path, b"user_id,name\nu1,Ann\nu2,Jos\xe9\nu3,Bob\n")
    assert [(row.line, isinstance(row, Row)) for row in found] == [(2, True), (3, False), (4, True)]
    assert isinstance(found[1], UnreadableRow)
    assert found[1].why == "is not UTF-8: save the file as CSV in UTF-8"


def test_nul_character_is_reported(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "user_id\nu\x001\n")
    assert row == UnreadableRow(2, "contains a NUL character")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("user_id,fone\nu1,1\n", "the column fone is unknown: did you mean phone?"),
        ("user_id,shoe size\n", "the column shoe_size is unknown: known are user_id, name, phone"),
        ("user_id,phone,Phone\n", "there are two columns phone"),
        ("name,phone\n", "there is no column user_id"),
        ("id|name|phone\nu1|Ann|1\n", "separated by commas, semicolons or tabs"),
        ('user_id,"name\nphone"\n', "has no known column name"),
        ("user_id,name\n".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_invalid_header_is_refused(tmp_path: Path, content: str | bytes, why: str) -> None:
    with pytest.raises(BadFile) as refused:
        read(tmp_path, content)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "content", ["u1,Ann,+34600123456\n", "user_id,name,+34600123456\n", "u1;600 123 456;user_id\n"]
)
def test_missing_header_shows_no_personal_data(tmp_path: Path, content: str) -> None:
    with pytest.raises(BadFile) as refused:
        read(tmp_path, content)
    assert "600" not in str(refused.value)
    assert "Ann" not in str(refused.value)


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "\ufeffsep=;", "SEP=;"])
def test_excels_sep_line(tmp_path: Path, first: str) -> None:
    found = one(tmp_path, f"{first}\nuser_id;name\nu1;Ann, of Spain\n")
    assert found == Row(3, {"user_id": "u1", "name": "Ann, of Spain"})


def test_empty_trailing_columns_are_ignored(tmp_path: Path) -> None:
    assert one(tmp_path, "user_id,name,,\nu1,Ann,,\n").cells == {"user_id": "u1", "name": "Ann"}
    assert one(tmp_path, "user_id,name\nu1,Ann,,,\n").cells == {"user_id": "u1", "name": "Ann"}
    (row,) = read(tmp_path, "user_id,name,\nu1,Ann,x\n")
    assert row == UnreadableRow(2, "has a value in a column without a name")


def test_mapped_columns_are_read_and_others_ignored(tmp_path: Path) -> None:
    file = tmp_path / "hubspot.csv"
    file.write_text("Record ID,First Name,Phone Number,Lead Status\n42,Ann,+34600111222,New\n")
    mapping = {"record_id": "user_id", "first_name": "name", "phone_number": "phone"}
    with open_csv(file) as text:
        (row,) = read_rows(text, COLUMNS, "user_id", mapping)
    assert row == Row(2, {"user_id": "42", "name": "Ann", "phone": "+34600111222"})


def test_missing_mapped_column_is_named(tmp_path: Path) -> None:
    file = tmp_path / "contacts.csv"
    file.write_text("user_id,Phone\nu1,1\n")
    with (
        open_csv(file) as text,
        pytest.raises(BadFile, match="there is no column phone_number, which --map names"),
    ):
        list(read_rows(text, COLUMNS, "user_id", {"phone_number": "phone"}))


def test_misspelt_column_is_an_error_with_a_mapping_too(tmp_path: Path) -> None:
    file = tmp_path / "contacts.csv"
    file.write_text("Record ID,phoen\nu1,1\n")
    with open_csv(file) as text, pytest.raises(BadFile, match="did you mean phone"):
        list(read_rows(text, COLUMNS, "user_id", {"record_id": "user_id"}))


def test_endless_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="line 1 is longer than 1,000,000 characters"):
        read(tmp_path, "user_id," * 1_000_000)
    with open_csv(Path("/dev/zero")) as text, pytest.raises(BadFile, match="line 1 is longer"):
        list(read_rows(text, COLUMNS, "user_id"))


def test_row_of_very_many_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="the row that begins in line 2 is longer than 1,000,000 characters"):
        read(tmp_path, 'user_id,name\nu1,"\n' + '","\n' * 300_000)


def test_too_many_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="more than 1000 columns"):
        read(tmp_path, "user_id," + "a," * 2_000)


def test_repr_of_rows_has_no_cells() -> None:
    assert "34600" not in repr(Row(2, {"phone": "+34600123456"}))


EXPORTS: dict[str, tuple[str, dict[str, str | None], str]] = {
    "HubSpot": (
        '"Record ID","First Name","Last Name","Email","Phone Number","WhatsApp Phone Number","Time Zone","Create Date"',
        {"record_id": "user_id", "first_name": "name", "whatsapp_phone_number": "phone", "time_zone": None},
        '"17","María","López","maria@example.com","","+34 612 345 678","europe_slash_madrid","2026-01-01"',
    ),
    "Salesforce report": (
        '"Contact ID","First Name","Last Name","Phone","Mobile","Email","Email Opt Out"',
        {"contact_id": "user_id", "first_name": "name", "mobile": "phone"},
        '"17","María","López","+34 910 000 000","+34 612 345 678","maria@example.com","0"',
    ),
    "Salesforce export": (
        '"Id","FirstName","LastName","Name","Phone","MobilePhone","Email","HasOptedOutOfEmail"',
        {"id": "user_id", "firstname": "name", "mobilephone": "phone"},
        '"17","María","López","María López","+34 910 000 000","+34 612 345 678","maria@example.com","false"',
    ),
}


@pytest.mark.parametrize("of", EXPORTS)
def test_exports_of_other_systems_are_read_with_a_mapping(tmp_path: Path, of: str) -> None:
    header, mapping, row = EXPORTS[of]
    path = tmp_path / "contacts.csv"
    path.write_text(f"{header}\r\n{row}\r\n")
    with open_csv(path) as file:
        [found] = read_rows(file, ALL_COLUMNS, "user_id", mapping)
    assert isinstance(found, Row)
    expected = {"user_id": "17", "name": "María", "phone": "+34 612 345 678", "email": "maria@example.com"}
    assert found.cells == expected


def test_column_that_may_be_misspelt_can_be_ignored(tmp_path: Path) -> None:
    path = tmp_path / "contacts.csv"
    path.write_text("id,time zone\n17,here\n")
    with open_csv(path) as file, pytest.raises(BadFile, match=r"timezone.*--map 'time_zone=' ignores it"):
        next(read_rows(file, ALL_COLUMNS, "user_id", {"id": "user_id"}))
