"""The demo is content only with what can be seen from outside."""

from consumer.demo.tally import Counts, Life
from consumer.demo.verdict import Evidence, complaints


def life(reminder: str, *seen: str, ids: tuple[str, ...] = ()) -> Life:
    return Life(reminder, "u", seen[-1], None, len(seen), frozenset(seen), frozenset(ids))


def evidence(*lives: Life, accepted: tuple[str, ...], taken: int | None = None, unreadable: int = 0) -> Evidence:
    count = len(accepted) if taken is None else taken
    return Evidence(Counts(unreadable=unreadable), lives, accepted, count)


READ = life("r1", "accepted", "sent", "read", ids=("m1",))


def test_a_message_whose_fate_was_read_back_is_enough() -> None:
    assert complaints(evidence(READ, accepted=("m1",))) == ()


def test_nothing_sent_is_a_failure() -> None:
    found = complaints(evidence(life("r1", "suppressed"), accepted=()))
    assert found[0] == "no message was sent"
    assert len(found) == 3


def test_statuses_that_never_came_back_are_a_failure() -> None:
    found = complaints(evidence(life("r1", "accepted", ids=("m1",)), accepted=("m1",)))
    assert found == ("delivery-status tells of no message that got any further (sent, delivered, read)",)


def test_two_messages_for_one_reminder_are_a_failure() -> None:
    twice = life("r1", "accepted", "sent", ids=("m1", "m2"))
    assert complaints(evidence(twice, accepted=("m1", "m2"))) == ("reminder r1 was sent 2 times",)


def test_a_message_that_no_record_and_no_doubt_explains_is_a_failure() -> None:
    [found] = complaints(evidence(READ, accepted=("m1", "m2")))
    assert found.startswith("1 messages were taken of which delivery-status does not tell")


def test_an_attempt_in_doubt_may_have_sent_a_message_that_is_not_named_yet() -> None:
    assert complaints(evidence(READ, life("r2", "unknown"), accepted=("m1", "m2"))) == ()


def test_a_doubt_that_was_settled_explains_no_other_message() -> None:
    settled = life("r2", "unknown", "accepted", ids=("m2",))
    assert complaints(evidence(READ, settled, accepted=("m1", "m2"))) == ()
    assert len(complaints(evidence(READ, settled, accepted=("m1", "m2", "m3")))) == 1


def test_a_message_that_nobody_took_is_a_failure() -> None:
    lives = (READ, life("r2", "accepted", ids=("m2",)))
    assert complaints(evidence(*lives, accepted=("m1",))) == ("delivery-status names 1 messages that nobody took",)


def test_what_the_sandbox_has_forgotten_is_held_against_nobody() -> None:
    lives = (READ, life("r2", "accepted", ids=("m2",)))
    assert complaints(evidence(*lives, accepted=("m1",), taken=2)) == ()


def test_an_unreadable_record_is_a_failure() -> None:
    assert complaints(evidence(READ, accepted=("m1",), unreadable=1)) == (
        "1 records of delivery-status could not be read",
    )
