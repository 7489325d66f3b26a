"""A person known on every medium is deleted, and every table is searched for traces."""

import json

from consumer.clock import MINUTE
from consumer.ledger.schema.tables import metadata
from consumer.onemsg.outcomes import Rejected, Remedy, Unknown

from .fallback_diary import FallbackDiary, soon

ABOUT_MARIA = ("maría lópez", "612345678", "612 345 678", "maria.lopez", "example.org", "my secret words")


def traces(fallback: FallbackDiary) -> list[str]:
    """Return which of her data is in any column of any table, bytes included."""
    with fallback.ledger.reading() as connection:
        values = [
            value.decode(errors="replace") if isinstance(value, bytes) else str(value)
            for table in metadata.tables.values()
            for row in connection.execute(table.select())
            for value in row
        ]
    everything = "\n".join(values).casefold()
    return [trace for trace in ABOUT_MARIA if trace in everything]


def test_erasure_on_every_medium_leaves_no_trace_in_any_table(fallback: FallbackDiary) -> None:
    maria = {"name": "María López", "phone": "+34 612 345 678", "email": "maria.lopez@example.org"}
    fallback.knows("u1", **maria, locale="es", timezone="Europe/Madrid")
    words = "550 5.1.1 <maria.lopez@example.org>: no such user here, María López"
    fallback.onemsg.answers = [Rejected(reason="unreachable", remedy=Remedy.RECIPIENT, error_code=131026)]
    fallback.mail.answers = [Rejected(reason="refused", remedy=Remedy.MESSAGE, error_code=554)]
    fallback.due("u1").works()
    fallback.tells(
        "u1 whatsapp rejected unreachable",
        "u1 whatsapp failed unreachable",
        "u1 email rejected refused",
        "u1 email failed refused",
        "u1 webhook accepted",
    )
    fallback.mail.answers = [Unknown(reason="reset")]
    fallback.at("Wed 09:00").due("u1", step=1).works()
    fallback.tells("u1 whatsapp suppressed unreachable", "u1 email unknown reset")
    fallback.hears("please stop my secret words").hears("STOP", message="wamid.in.3")
    unreadable = {"ack": [{"id": "wamid.1", "phone": "34612345678", "text": "María López " + words}]}
    fallback.posts(json.dumps(unreadable).encode()[:-1])
    assert traces(fallback) == list(ABOUT_MARIA)

    fallback.forgets("u1").works()
    assert traces(fallback) == []
    soon(fallback).works()

    mine = [status for status in fallback.topic if status.user_id == "u1"]
    assert {status.medium for status in mine} == {"whatsapp", "email", "webhook"}
    assert [(stop.user_id, stop.reason) for stop in fallback.topics.opt_outs] == [("u1", "asked_to_stop")]
    fallback.at("Sat 09:00").knows("u1", **maria).knows("u2", **maria)
    fallback.due("u1", "checkout").due("u2", "checkout").works()
    reasons = {status.user_id: status.reason for status in fallback.topic if status.process == "checkout"}
    assert reasons == {"u1": "opted_out", "u2": "opted_out"}  # the opt-out survived the erasure


def test_erasure_while_an_email_is_deferred(fallback: FallbackDiary) -> None:
    greylisted = Rejected(reason="try_later", remedy=Remedy.TRANSIENT, error_code=451, retry_after=5 * MINUTE)
    fallback.mail.answers = [greylisted]
    fallback.knows_by_mail("u1", "maria.lopez@example.org", name="María López").due("u1").works()
    fallback.says("u1 suppressed no_phone", "u1 rejected try_later", "u1 deferred retry_later")
    fallback.forgets("u1").works()
    assert traces(fallback) == []
    soon(fallback).works().says("u1 deferred no_contact")
    fallback.mailed("maria.lopez@example.org")
