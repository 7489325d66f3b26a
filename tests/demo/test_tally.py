"""Adding up what delivery-status tells."""

from dataclasses import replace

from consumer.demo.tally import Tally
from consumer.records import DeliveryStatus

RECORD = DeliveryStatus(
    event_id="e",
    reminder_id="r1",
    sequence=1,
    user_id="u1",
    process="checkout",
    step=0,
    medium="whatsapp",
    status="accepted",
    final=False,
    message_id="wamid.1",
    source="response",
    occurred_at=0,
    recorded_at=0,
)


def told(*records: DeliveryStatus) -> Tally:
    tally = Tally()
    for record in records:
        tally.add(record)
    return tally


def test_a_reminder_stands_where_its_latest_record_says() -> None:
    counts = told(RECORD, replace(RECORD, sequence=2, status="sent")).counts()
    assert (counts.lapses, counts.records) == (1, 2)
    assert counts.statuses == {"sent": 1}


def test_a_repeated_or_overtaken_record_moves_nothing_back() -> None:
    tally = told(replace(RECORD, sequence=2, status="read"), RECORD, replace(RECORD, sequence=2, status="read"))
    assert tally.counts().statuses == {"read": 1}
    assert tally.lives()[0].seen == {"accepted", "read"}


def test_reasons_are_counted_with_their_status() -> None:
    other = replace(RECORD, reminder_id="r2", status="suppressed", reason="no_opt_in", message_id=None)
    third = replace(other, reminder_id="r3")
    counts = told(RECORD, other, third).counts()
    assert counts.reasons == {("suppressed", "no_opt_in"): 2}
    assert counts.lapses == 3


def test_every_message_of_a_reminder_is_remembered() -> None:
    tally = told(RECORD, replace(RECORD, sequence=2, status="accepted", message_id="wamid.2"))
    assert tally.lives()[0].message_ids == {"wamid.1", "wamid.2"}


def test_two_media_of_one_reminder_are_two_lives_and_one_lapse() -> None:
    tally = told(RECORD, replace(RECORD, medium="email"))
    assert len(tally.lives()) == 2
    assert tally.counts().lapses == 1
