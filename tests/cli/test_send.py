"""`lapse send`: one message to one person, and never to somebody who has opted out."""

import signal
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from consumer.deliver.recipients.identity import phone_hash, subjects_of
from consumer.deliver.recipients.opt_outs import opt_out
from consumer.ledger.schema.tables import contacts
from consumer.ledger.store import Ledger
from consumer.sandbox.server import Sandbox
from tests.cli.conftest import Lapse, command, environment, settings, write

MARIA = ["--name", "Maria", "--action", "your order"]


@pytest.fixture
def configured(tmp_path: Path, onemsg: Sandbox) -> Path:
    write(tmp_path, settings(onemsg, policy={"default_region": "ES"}))
    return tmp_path


def received(onemsg: Sandbox, phone: str) -> list[dict[str, object]]:
    return [message for message in onemsg.messages() if message["phone"] == phone]


def test_a_message_goes_out_and_its_id_and_status_are_printed(lapse: Lapse, configured: Path, onemsg: Sandbox) -> None:
    done = lapse("send", "--phone", "+34 600-12 34 51", *MARIA, TOKEN=onemsg.token)
    assert done.returncode == 0, done.stderr
    (message,) = received(onemsg, "34600123451")
    assert done.stdout == f"{message['id']} accepted\n"
    assert message["params"] == ["Maria", "your order"]


def test_phone_and_name_are_normalized(lapse: Lapse, configured: Path, onemsg: Sandbox) -> None:
    done = lapse(
        "send", "--phone", "600 123 452", "--name", " Maria\n\tLópez ", "--action", "x" * 5000, TOKEN=onemsg.token
    )
    assert done.returncode == 0, done.stderr
    (message,) = received(onemsg, "34600123452")
    params = message["params"]
    assert isinstance(params, list)
    assert params[0] == "Maria López"
    assert 10 < len(params[1]) < 100


def test_waiting_prints_each_status(lapse: Lapse, configured: Path, onemsg: Sandbox) -> None:
    done = lapse("send", "--phone", "+34600120003", *MARIA, "--wait", TOKEN=onemsg.token)
    assert done.returncode == 0, done.stderr
    steps = [line.split()[1] for line in done.stdout.splitlines()]
    assert steps == ["accepted", "sent", "delivered"]
    times = [datetime.fromisoformat(line.split()[2]) for line in done.stdout.splitlines()]
    assert all(time.tzinfo is not None for time in times)


@pytest.mark.slow
def test_ctrl_c_prints_the_last_status(configured: Path, onemsg: Sandbox) -> None:
    arguments = ["send", "--phone", "+34600120004", *MARIA, "--wait"]
    process = subprocess.Popen(
        command(*arguments),
        cwd=configured,
        env=environment(TOKEN=onemsg.token),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    assert process.stdout.readline().split()[1] == "accepted"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, "no longer waiting; its last status was accepted\n")


def test_waiting_for_a_message_that_fails_is_a_failure(lapse: Lapse, configured: Path, onemsg: Sandbox) -> None:
    done = lapse("send", "--phone", "+34600120001", *MARIA, "--wait", TOKEN=onemsg.token)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].split()[1] == "failed"


def test_waiting_times_out(lapse: Lapse, configured: Path, onemsg: Sandbox) -> None:
    done = lapse("send", "--phone", "+34600120004", *MARIA, "--wait", "--timeout", "2", TOKEN=onemsg.token)
    assert done.returncode == 1
    assert done.stderr == "after 2 s its status is still accepted\n"


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("0011", "1MSG refused the message: "),
        ("0016", "1MSG refused the message: "),
        ("0022", "the message may have been sent: queued"),
        ("0023", "the message may have been sent: reset"),
    ],
)
def test_refused_or_unknown_send_is_explained(
    lapse: Lapse, configured: Path, onemsg: Sandbox, ending: str, told: str
) -> None:
    done = lapse("send", "--phone", f"+3460012{ending}", *MARIA, TOKEN=onemsg.token)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(told)
    assert f"3460012{ending}" not in done.stderr


def test_wrong_token_is_reported_without_it(lapse: Lapse, configured: Path) -> None:
    done = lapse("send", "--phone", "+34600123455", *MARIA, TOKEN="hunter2")
    assert (done.returncode, done.stdout) == (1, "")
    assert "1MSG does not take the token" in done.stderr
    assert "hunter2" not in done.stderr


def test_unreachable_channel_sends_nothing(lapse: Lapse, configured: Path) -> None:
    done = lapse("send", "--phone", "+34600123455", *MARIA, TOKEN="t", LAPSE_ONEMSG__BASE_URL="http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("the message was not sent: connect: ")


@pytest.mark.parametrize(("option", "value"), [("--phone", "no phone"), ("--name", " "), ("--action", "\u200b")])
def test_invalid_phone_or_text_is_wrong_usage(
    lapse: Lapse, configured: Path, onemsg: Sandbox, option: str, value: str
) -> None:
    given = {"--phone": "+34600123456", "--name": "Maria", "--action": "your order"} | {option: value}
    done = lapse("send", *(word for pair in given.items() for word in pair), TOKEN=onemsg.token)
    assert done.returncode == 2
    assert f"Invalid value for {option}" in done.stderr


def test_send_needs_the_onemsg_section(lapse: Lapse, tmp_path: Path, onemsg: Sandbox) -> None:
    content = settings(onemsg)
    del content["onemsg"]
    write(tmp_path, content)
    done = lapse("send", "--phone", "+34600123456", *MARIA)
    assert done.returncode == 2
    assert done.stderr.startswith("onemsg: is missing")


class TestSomebodyWhoOptedOut:
    @pytest.fixture
    def ledger(self, configured: Path) -> Ledger:
        """The service is at work on it."""
        return Ledger(f"sqlite:///{configured}/lapse.db")

    def test_by_number_gets_nothing(self, lapse: Lapse, ledger: Ledger, onemsg: Sandbox) -> None:
        with ledger.transaction() as connection:
            hashed = phone_hash("34600123461", ledger.hash_key)
            opt_out(connection, subjects_of(None, hashed), "whatsapp", "stop", "webhook", 1)
        done = lapse("send", "--phone", "+34 600 123 461", *MARIA, TOKEN=onemsg.token)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "this person has opted out: nothing was sent\n"
        assert received(onemsg, "34600123461") == []

    def test_by_user_gets_nothing_at_their_number(self, lapse: Lapse, ledger: Ledger, onemsg: Sandbox) -> None:
        self._contact(ledger, "maria", "34600123462")
        with ledger.transaction() as connection:
            opt_out(connection, subjects_of("maria", None), "whatsapp", "stop", "webhook", 1)
        done = lapse("send", "--phone", "+34600123462", *MARIA, TOKEN=onemsg.token)
        assert done.returncode == 1
        assert received(onemsg, "34600123462") == []

    def test_does_not_affect_other_people(self, lapse: Lapse, ledger: Ledger, onemsg: Sandbox) -> None:
        self._contact(ledger, "juan", "16001234633")
        with ledger.transaction() as connection:
            hashed = phone_hash("16001234633", ledger.hash_key)
            opt_out(connection, subjects_of("juan", hashed), "whatsapp", "stop", "webhook", 1)
        done = lapse("send", "--phone", "+34600123463", *MARIA, TOKEN=onemsg.token)
        assert done.returncode == 0, done.stderr
        assert len(received(onemsg, "34600123463")) == 1

    def test_unreadable_ledger_sends_nothing(self, lapse: Lapse, configured: Path, onemsg: Sandbox) -> None:
        (configured / "lapse.db").write_bytes(b"a letter to grandmother" * 100)
        done = lapse("send", "--phone", "+34600123464", *MARIA, TOKEN=onemsg.token)
        assert done.returncode == 1
        assert "so nothing was sent" in done.stderr
        assert received(onemsg, "34600123464") == []

    @pytest.mark.slow
    def test_from_another_folder_gets_nothing(
        self, configured: Path, ledger: Ledger, onemsg: Sandbox, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        with ledger.transaction() as connection:
            hashed = phone_hash("34600123465", ledger.hash_key)
            opt_out(connection, subjects_of(None, hashed), "whatsapp", "stop", "webhook", 1)
        done = subprocess.run(
            command("send", "--config", f"{configured}/lapse.yaml", "--phone", "+34600123465", *MARIA),
            cwd=tmp_path_factory.mktemp("elsewhere"),
            env=environment(TOKEN=onemsg.token),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.stderr == "this person has opted out: nothing was sent\n"
        assert received(onemsg, "34600123465") == []

    def test_by_another_form_of_the_number_gets_nothing(self, lapse: Lapse, ledger: Ledger, onemsg: Sandbox) -> None:
        with ledger.transaction() as connection:
            hashed = phone_hash("553187654321", ledger.hash_key)
            opt_out(connection, subjects_of(None, hashed), "whatsapp", "stop", "webhook", 1)
        done = lapse("send", "--phone", "+55 31 98765 4321", *MARIA, TOKEN=onemsg.token)
        assert done.returncode == 1
        assert received(onemsg, "5531987654321") == []

    @staticmethod
    def _contact(ledger: Ledger, user: str, phone: str) -> None:
        row: dict[str, object] = {"opt_in": True, "erased": False, "source_partition": 0, "source_offset": 0}
        row |= {"phone_hash": phone_hash(phone, ledger.hash_key)}
        with ledger.transaction() as connection:
            connection.execute(contacts.insert(), {"user_id": user, "phone": phone, **row})
