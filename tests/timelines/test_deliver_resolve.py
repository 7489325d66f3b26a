"""`lapse resolve`: an operator settles unresolved reminders as sent or unsent."""

from consumer.clock import DAY
from consumer.deliver.operations.resolve import resolve
from consumer.deliver.unit_of_work import unit_of_work
from consumer.ledger import queries
from consumer.ledger.queries.operating.selections import UnresolvedSelection
from consumer.onemsg.outcomes import Unknown

from .deliver_diary import TEMPLATE, Diary
from .detect_diary import moment

LOST = Unknown(reason="timeout")


def resolved(deliver: Diary, which: UnresolvedSelection, *, sent: bool) -> int:
    with unit_of_work(deliver.ledger, deliver.metrics, deliver.clock.now()) as work:
        return len(resolve(work, which, sent=sent))


def unresolved(deliver: Diary) -> str:
    deliver.onemsg.answers = [LOST]
    deliver.knows("maria").due("maria").works().says("maria unknown timeout")
    deliver.after(DAY).detect_is_at().works().says("maria unresolved gave_up")
    return deliver.rows()[0].reminder_id


def test_resolve_as_sent(deliver: Diary) -> None:
    reminder = unresolved(deliver)
    assert resolved(deliver, UnresolvedSelection(reminder_id=reminder), sent=True) == 1
    deliver.works().says("maria accepted by_operator")
    assert (deliver.topic[-1].source, deliver.topic[-1].final) == ("operator", True)
    deliver.after(2 * DAY).detect_is_at().works().says_nothing().went_out("Maria")
    assert resolved(deliver, UnresolvedSelection(reminder_id=reminder), sent=False) == 0


def test_resolve_as_unsent_sends_once(deliver: Diary) -> None:
    reminder = unresolved(deliver)
    assert resolved(deliver, UnresolvedSelection(reminder_id=reminder), sent=False) == 1
    assert resolved(deliver, UnresolvedSelection(reminder_id=reminder), sent=False) == 0
    deliver.works().says("maria accepted").went_out("Maria", "Maria")
    assert resolved(deliver, UnresolvedSelection(reminder_id=reminder), sent=False) == 0
    deliver.works().says_nothing()


def test_resolve_leaves_unknown_alone(deliver: Diary) -> None:
    deliver.lists(TEMPLATE).onemsg.answers = [LOST]
    deliver.knows("maria").due("maria").works().says("maria unknown timeout")
    reminder = deliver.rows()[0].reminder_id
    for sent in (True, False):
        assert resolved(deliver, UnresolvedSelection(reminder_id=reminder), sent=sent) == 0
    with deliver.ledger.reading() as connection:
        assert queries.operating.selections.count_others_by_status(
            connection, UnresolvedSelection(reminder_id=reminder)
        ) == {"unknown": 1}
    deliver.echoes("wamid.9").works().says("maria accepted")


def test_unknown_and_unresolved_are_counted(deliver: Diary) -> None:
    deliver.onemsg.answers = [LOST]
    deliver.knows("maria").due("maria").works()
    seen = deliver.metrics.unknown_sends, deliver.metrics.unresolved
    assert [gauge._value.get() for gauge in seen] == [1, 0]
    assert deliver.parts.poller.detail == "unknown: 1, unresolved: 0 (lapse resolve)"
    deliver.after(DAY).detect_is_at().works()
    assert [gauge._value.get() for gauge in seen] == [0, 1]
    resolved(deliver, UnresolvedSelection(reminder_id=deliver.rows()[0].reminder_id), sent=True)
    deliver.works()
    assert deliver.parts.poller.detail is None


def test_resolve_as_unsent_runs_all_checks_again(deliver: Diary) -> None:
    reminder = unresolved(deliver)
    deliver.knows("maria", opt_in=False)
    resolved(deliver, UnresolvedSelection(reminder_id=reminder), sent=False)
    deliver.works().says("maria suppressed no_opt_in").went_out("Maria")


def test_resolve_a_span_of_time(deliver: Diary) -> None:
    for user, when in (("Ana", "Mon 09:00"), ("Ben", "Mon 10:00"), ("Eve", "Mon 11:00")):
        deliver.at(when).detect_is_at().knows(user, name=user).due(user)
        deliver.onemsg.answers = [LOST]
        deliver.works()
    deliver.at("Tue 11:00").detect_is_at().knows("Kim", name="Kim").due("Kim", lapsed="Mon 10:30").works()
    span = UnresolvedSelection(since=moment("Mon 10:00"), until=moment("Mon 11:00"))
    assert resolved(deliver, span, sent=False) == 1
    deliver.works().went_out("Ana", "Ben", "Eve", "Kim", "Ben")
