"""Many faults at once: nobody is messaged twice, and every reminder is accounted for."""

from pathlib import Path

import pytest

from tests.faults.storm import storm
from tests.ledger.databases import emptied


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_at_most_one_message_each_on_sqlite(tmp_path: Path, seed: int) -> None:
    books = storm(tmp_path, reminders=1000, seed=seed)
    assert len(books.rows) == 1000
    assert list(books.contradictions()) == []
    # A seventh of all attempts get no clear answer. Accepted ones are found, and few stay unresolved.
    assert len(books.found()) > 70
    assert len(books.unresolved()) < 100
    assert books.accepted_unresolved() <= 10


def test_at_most_one_message_each_on_postgresql(postgresql: str, tmp_path: Path) -> None:
    books = storm(tmp_path, reminders=200, seed=3, url=emptied(postgresql))
    assert len(books.rows) == 200
    assert list(books.contradictions()) == []
    assert len(books.found()) > 10
