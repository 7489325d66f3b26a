"""A real standby takes over: PostgreSQL streams to it without waiting, and what it does not have is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.clock import MINUTE
from consumer.ledger.errors import LedgerRegressed

from ..ledger.standby import Replicated, replicated
from ..timelines.deliver_diary import Diary

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def servers() -> Iterator[Replicated]:
    with replicated() as pair:
        yield pair


def test_standby_that_lacks_the_last_commits_writes_to_nobody_twice(servers: Replicated, tmp_path: Path) -> None:
    deliver = Diary(tmp_path, url=servers.url)
    deliver.knows("ana", name="Ana", phone="+34 677 777 777").due("ana").works().says("ana accepted")
    deliver.knows("maria").due("maria").knows("paul", name="Paul", phone="+34 688 888 888")
    servers.wait_until_equal()
    servers.standby.stop()  # from here on it is behind
    deliver.works().says("maria accepted").went_out("Ana", "Maria")
    servers.fail_over()

    deliver.due("paul")
    with pytest.raises(LedgerRegressed, match="may have been sent, and becomes unknown"):
        deliver.works()
    assert deliver.ledger.failovers == 1
    deliver.crashes_and_restarts().after(MINUTE).detect_is_at().works().went_out("Ana", "Maria")
    assert {(row.user_id, row.status, row.reason) for row in deliver.rows()} == {
        ("ana", "accepted", None),
        ("maria", "unknown", "ledger_restored"),
        ("paul", "unknown", "ledger_restored"),
    }
    deliver.knows("dan", name="Dan", phone="+34 699 999 999").due("dan").works().went_out("Ana", "Maria", "Dan")
    deliver.close()


def test_standby_that_has_everything_goes_on_after_a_look(servers: Replicated, tmp_path: Path) -> None:
    deliver = Diary(tmp_path, url=servers.url)
    deliver.knows("ana", name="Ana", phone="+34 677 777 777").due("ana").works().says("ana accepted")
    deliver.knows("maria").due("maria")
    servers.wait_until_equal()
    servers.fail_over()
    deliver.works().says_nothing()
    assert deliver.ledger.failovers == 1
    deliver.after(MINUTE).detect_is_at().works().says("maria accepted").went_out("Ana", "Maria")
    deliver.close()
