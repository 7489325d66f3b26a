"""`lapse check` as a whole: a line for each thing, and an exit status for scripts."""

from pathlib import Path

from consumer.sandbox.server import Sandbox
from tests.broker.topics import FreshTopics
from tests.cli.conftest import Lapse, settings, write

SECRET = "a-secret-of-enough-characters"


def test_all_checks_pass(lapse: Lapse, tmp_path: Path, kafka: str, topics: FreshTopics, onemsg: Sandbox) -> None:
    source = topics(3, about="activity")
    web = {"webhook_secret": {"env": "SECRET"}, "public_url": "http://127.0.0.1:9", "register_webhook": True}
    content = settings(onemsg, kafka={"bootstrap_servers": kafka}, source={"topic": source}, web=web)
    write(tmp_path, content)
    done = lapse("check", TOKEN=onemsg.token, SECRET=SECRET)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert {line[0] for line in lines} == {"✓"}
    assert lines[0] == "✓ configuration: lapse.yaml, processes checkout"
    assert f"✓ input topic {source}: 3 partitions" in lines
    assert any(line.startswith("✓ topic lapse-state: ") for line in lines)
    assert f"✓ users of {source}: each of the newest 0 is in one partition" in lines
    assert f"✓ ledger: {tmp_path}/lapse.db will be created at the first start" in lines
    assert "✓ 1MSG channel: connected" in lines
    assert "✓ webhook: will be registered with 1MSG at the start" in lines


def test_all_problems_are_reported_at_once(lapse: Lapse, tmp_path: Path, onemsg: Sandbox) -> None:
    content = settings(
        onemsg, kafka={"bootstrap_servers": "localhost:9"}, schema_registry={"url": "http://127.0.0.1:9"}
    )
    content["onemsg"]["template"]["name"] = "nobody_made_this"
    content |= {"source": {"fetch": "columns"}, "telemetry": {"carry_traceparent": True}}
    write(tmp_path, content)
    done = lapse("check", TOKEN=onemsg.token)
    assert done.returncode == 1
    wrong = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    assert [line.split(":")[0] for line in wrong] == [
        "✗ configuration",
        "✗ broker",
        "✗ schema registry",
        "✗ template nobody_made_this does not exist on this channel",
    ]
    assert "source.fetch: columns cannot read headers" in wrong[0]
    assert "no answer from localhost:9" in wrong[1]


def test_missing_secret_exits_with_2_after_all_checks(
    lapse: Lapse, tmp_path: Path, embedded: str, onemsg: Sandbox
) -> None:
    write(tmp_path, settings(onemsg, kafka={"bootstrap_servers": embedded}))
    done = lapse("check")
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    assert (
        lines[0] == "✗ configuration: lapse.yaml:10: onemsg.token: the environment variable TOKEN is not set or empty"
    )
    assert "✓ input topic user-activity: 4 partitions" in lines


def test_without_onemsg_only_detect_is_checked(lapse: Lapse, tmp_path: Path, embedded: str, onemsg: Sandbox) -> None:
    content = settings(onemsg, kafka={"bootstrap_servers": embedded})
    del content["onemsg"]
    write(tmp_path, content)
    lines = lapse("check").stdout.splitlines()
    assert lines[-1].startswith("✓ 1MSG: there is no section onemsg, so only `lapse run --role detect`")
    assert not [line for line in lines if "ledger" in line]
