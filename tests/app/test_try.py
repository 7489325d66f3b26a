"""`lapse try`: one invented client through the whole pipeline on a real broker, and nothing is left of it."""

from contextlib import closing

from confluent_kafka.admin import AdminClient

from consumer.ledger import queries
from consumer.ledger.store import Ledger
from tests.app.service import Platform, Sandbox, Service


def test_message_arrives_step_by_step_and_nothing_is_left(
    service: Service, platform: Platform, channel: Sandbox, kafka: str, names: str
) -> None:
    Ledger(str(service.settings["ledger"]["url"])).close()
    platform.knows("somebody-else", name="Eve", phone="+34 612 000 111")
    platform.says("somebody-else", "STARTED")
    platform.flush()
    done = service.command("try", "--phone", "+34 612 345 678", "--name", "Olga", "--process", "checkout")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    steps = ["1MSG: accepts", "1MSG channel", "template", "a service of its own", "written", "detect noticed"]
    steps += ["accepted with"]
    for line, step in zip([line for line in lines if line[0] == "✓"], steps, strict=False):
        assert step in line
    assert any(line.startswith(("✓ delivered", "✓ read")) for line in lines)
    assert lines[-1] == "✓ cleaned up"
    (message,) = channel.messages()
    assert message["params"] == ["Olga", "your order"]
    assert "612345678" not in done.stdout.replace(" ", "") + done.stderr.replace(" ", "")
    admin = AdminClient({"bootstrap.servers": kafka})
    assert not [topic for topic in admin.list_topics(timeout=60).topics if topic.startswith(f"{names}-try-")]
    with (
        closing(Ledger(str(service.settings["ledger"]["url"]), read_only=True)) as ledger,
        ledger.reading() as connection,
    ):
        [noted] = queries.operating.journal.latest(connection, 9)
    assert (noted.action, noted.via, noted.detail) == ("test_send", "command", "inactivity_reminder to …678")
    assert not [g for g in admin.list_consumer_groups().result(60).valid if g.group_id.startswith(f"{names}-try-")]


def test_refusals_are_told_before_anything_is_made(service: Service, channel: Sandbox) -> None:
    bad = service.command("try", "--phone", "12")
    assert bad.returncode == 2
    assert "no number has this form" in " ".join(bad.stderr.replace("│", "").split())
    other = service.command("try", "--phone", "+34 612 345 678", "--process", "chekout")
    assert other.returncode == 2
    assert "there are: account-setup, checkout" in " ".join(other.stderr.replace("│", "").split())
    service.change("policy", dry_run=True)
    assert "policy.dry_run: is on" in service.command("try", "--phone", "+34 612 345 678").stderr
    service.change("policy", dry_run=False)
    service.change("onemsg", template={"namespace": "another"})
    wrong = service.command("try", "--phone", "+34 612 345 678")
    assert wrong.returncode == 1
    assert "is not in the configured namespace" in wrong.stdout
    assert "a service of its own" not in wrong.stdout
    assert channel.messages() == []


def test_failure_is_told_with_its_reason(service: Service, channel: Sandbox) -> None:
    done = service.command("try", "--phone", "+34 612 345 678", "--name", "www.example.com")
    assert done.returncode == 1
    assert "✗ deferred: no_name:" in done.stdout
    assert done.stdout.endswith("✓ cleaned up\n")
    assert channel.messages() == []
