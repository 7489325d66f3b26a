"""The demo is content only with what can be seen from outside."""

from consumer.demo.verdict import Evidence, complaints
from consumer.records import DeliveryStatus
from tests.statuses import delivery_status

PHONE = "34612345612"


def history(reminder: str, *statuses: str, ids: tuple[str | None, ...] = (None,)) -> list[DeliveryStatus]:
    """A record of each status with each of the message ids."""
    return [
        delivery_status(reminder_id=reminder, status=status, message_id=message_id)
        for status in statuses
        for message_id in ids
    ]


def evidence(
    *histories: list[DeliveryStatus],
    accepted: tuple[str, ...],
    taken: int | None = None,
    unreadable: int = 0,
    phone: str = PHONE,
    complete_from: int = 0,
) -> Evidence:
    records = [record for each in histories for record in each]
    messages = [{"id": message_id, "phone": phone, "time": 1 + at} for at, message_id in enumerate(accepted)]
    count = len(accepted) if taken is None else taken
    read = {"complete_from": complete_from, "unreadable": unreadable}
    return Evidence(records, {"accepted": count, "messages": messages}, frozenset({PHONE}), **read)


READ = history("r1", "accepted", "sent", "read", ids=("m1",))


def test_a_message_whose_status_was_read_back_is_enough() -> None:
    assert complaints(evidence(READ, accepted=("m1",))) == []


def test_nothing_sent_is_a_failure() -> None:
    found = complaints(evidence(history("r1", "suppressed"), accepted=()))
    assert found[0] == "no message was sent"
    assert len(found) == 3


def test_statuses_that_never_came_back_are_a_failure() -> None:
    found = complaints(evidence(history("r1", "accepted", ids=("m1",)), accepted=("m1",)))
    assert found == ["delivery-status tells of no message that was sent, delivered or read"]


def test_two_messages_for_one_reminder_are_a_failure() -> None:
    twice = history("r1", "accepted", "sent", ids=("m1", "m2"))
    assert complaints(evidence(twice, accepted=("m1", "m2"))) == ["reminder r1 was sent 2 times"]


def test_a_message_id_that_1msg_gave_twice_is_a_failure() -> None:
    assert complaints(evidence(READ, accepted=("m1", "m1"))) == ["message m1 was taken twice"]


def test_a_message_that_no_record_and_no_doubt_explains_is_a_failure() -> None:
    [found] = complaints(evidence(READ, accepted=("m1", "m2")))
    assert found == "1 messages are not in delivery-status, and only 0 sends are in doubt"


def test_an_attempt_in_doubt_may_have_sent_a_message_that_is_not_named_yet() -> None:
    assert complaints(evidence(READ, history("r2", "unknown"), accepted=("m1", "m2"))) == []


def test_a_message_of_before_the_oldest_record_need_not_be_named() -> None:
    assert complaints(evidence(READ, accepted=("m0", "m1"), complete_from=2)) == []
    assert len(complaints(evidence(READ, accepted=("m0", "m1"), complete_from=1))) == 1


def test_a_doubt_that_was_settled_explains_no_other_message() -> None:
    settled = history("r2", "unknown") + history("r2", "accepted", ids=("m2",))
    assert complaints(evidence(READ, settled, accepted=("m1", "m2"))) == []
    assert len(complaints(evidence(READ, settled, accepted=("m1", "m2", "m3")))) == 1


def test_a_message_that_nobody_took_is_a_failure() -> None:
    histories = (READ, history("r2", "accepted", ids=("m2",)))
    assert complaints(evidence(*histories, accepted=("m1",))) == ["delivery-status names 1 messages that nobody took"]


def test_a_message_that_the_sandbox_has_forgotten_is_no_failure() -> None:
    histories = (READ, history("r2", "accepted", ids=("m2",)))
    assert complaints(evidence(*histories, accepted=("m1",), taken=2)) == []


def test_a_message_to_somebody_who_did_not_agree_is_a_failure() -> None:
    assert complaints(evidence(READ, accepted=("m1",), phone="34612345613")) == [
        "1 messages went to a number that nobody has or whose owner did not agree"
    ]


def test_an_unreadable_record_is_a_failure() -> None:
    assert complaints(evidence(READ, accepted=("m1",), unreadable=1)) == [
        "1 records of delivery-status could not be read"
    ]
