"""`lapse opt-outs` while a service uses the ledger."""

import pytest

from consumer.deliver.lifecycle import StatusSource
from consumer.deliver.recipients.identity import email_hash, phone_hash
from consumer.deliver.recipients.opt_outs import opt_out
from consumer.ledger import queries
from consumer.ledger.queries.outbox import OptOutRecord
from consumer.ledger.schema.tables import contacts
from consumer.ledger.store import Ledger
from consumer.records import WHATSAPP
from tests.cli.conftest import Lapse

PHONE = "34600123456"


@pytest.fixture
def service(service: Ledger) -> Ledger:
    """The ledger as the service has it, with two users of one number."""
    row = {"phone": PHONE, "phone_hash": phone_hash(PHONE, service.hash_key), "erased": False, "source_partition": 0}
    with service.transaction() as connection:
        connection.execute(contacts.insert(), [{"user_id": user, "source_offset": 1, **row} for user in ("u1", "u2")])
    return service


def published(ledger: Ledger) -> list[OptOutRecord]:
    with ledger.reading() as connection:
        return queries.outbox.unpublished_opt_outs(connection, 10)


def test_opt_out_is_entered_shown_and_lifted(lapse: Lapse, service: Ledger) -> None:
    done = lapse("opt-outs", "add", "u1", "--why", "phoned on 3 March")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "recorded for user u1, user u2, their number: nothing is sent any more, on any medium\n"
    assert [(o.subject[:7], o.reason, o.source) for o in published(service)] == [
        ("phone:" + phone_hash(PHONE, service.hash_key)[:1], "by_operator", "operator"),
        ("user:u1", "by_operator", "operator"),
        ("user:u2", "by_operator", "operator"),
    ]
    shown = lapse("opt-outs", "list").stdout.splitlines()
    assert [line.split(" UTC ")[1].split("#")[0] for line in shown] == [
        "number ",
        "user u1 whatsapp by_operator operator",
        "user u2 whatsapp by_operator operator",
    ]
    one = lapse("opt-outs", "list", "u2")
    assert one.stdout.count("an operator: add: phoned on 3 March") == 3
    assert PHONE not in one.stdout

    done = lapse("opt-outs", "lift", "--phone", "+34 600 123 456", "--why", "asked for it in the shop")
    assert done.stdout.startswith("lifted for user u1, user u2, their number;")
    assert [o.reason for o in published(service)[3:]] == [None, None, None]
    assert (lapse("opt-outs", "list").returncode, lapse("opt-outs", "lift", "u1", "--why", "again").returncode) == (
        1,
        1,
    )


def test_mailbox_of_a_user_is_opted_out_and_in_with_them(lapse: Lapse, service: Ledger) -> None:
    mailbox = "email:" + email_hash("maria@example.com", service.hash_key)
    row = {"user_id": "u3", "email": "Maria@Example.com", "erased": False, "source_partition": 0, "source_offset": 1}
    with service.transaction() as connection:
        connection.execute(contacts.insert(), row)
    done = lapse("opt-outs", "add", "u3", "--why", "wrote to us")
    assert done.stdout == "recorded for user u3, their mailbox: nothing is sent any more, on any medium\n"
    assert {o.subject for o in published(service)} == {"user:u3", mailbox}
    shown = lapse("opt-outs", "list", "u3").stdout
    assert f"mailbox #{mailbox[6:18]} whatsapp by_operator operator" in shown
    assert shown.count("wrote to us") == 1
    assert lapse("opt-outs", "lift", "u3", "--why", "asked for it").stdout.startswith(
        "lifted for user u3, their mailbox;"
    )
    assert lapse("opt-outs", "list").returncode == 1


def test_user_id_that_a_terminal_would_obey(lapse: Lapse, service: Ledger) -> None:
    with service.transaction() as connection:
        opt_out(connection, {"user:m\x1b[2J\nuser ana"}, WHATSAPP, "asked_to_stop", StatusSource.WEBHOOK, 0)
    assert lapse("opt-outs", "list").stdout.splitlines() == [
        "1970-01-01 00:00:00 UTC user m�[2J�user ana whatsapp asked_to_stop webhook"
    ]


def test_person_who_is_not_known_yet(lapse: Lapse, service: Ledger) -> None:
    assert lapse("opt-outs", "add", "new", "--why", "wrote a letter").returncode == 0
    assert lapse("opt-outs", "add", "--phone", "+34 600 999 999", "--why", "phoned").returncode == 0
    assert len(lapse("opt-outs", "list").stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("add", "u1"), "--why"),
        (("add", "--why", "w"), "give USER, or --phone"),
        (("add", "u1", "--phone", "+34600123456", "--why", "w"), "give USER, or --phone"),
        (("add", "--phone", "12x", "--why", "w"), "--phone"),
        (("lift", "", "--why", "w"), "is empty"),
    ],
)
def test_wrong_usage(lapse: Lapse, service: Ledger, arguments: tuple[str, ...], complaint: str) -> None:
    done = lapse("opt-outs", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert published(service) == []
