"""Help, wrong usage, and missing settings."""

import json
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Lapse, command, environment

PROCESSES = "processes:\n  checkout: {action: your order, remind_after: [2h]}\n"
CHANNEL = "onemsg: {channel_id: CH1, token: {env: ONEMSG_TOKEN}, template: {namespace: ns}}\n"
COMMANDS = ["init", "try", "status", "run", "check", "topics", "send", "pause", "resume", "resolve", "sandbox", "demo"]
COMMANDS += ["brake"]
GROUPS = ["contacts", "dead-letters", "ledger", "state"]


def test_help_lists_every_command(lapse_anew: Lapse) -> None:
    done = lapse_anew("--help")
    assert done.returncode == 0
    for name in COMMANDS + GROUPS:
        assert f"\n  {name} " in done.stdout
    assert "..." not in done.stdout.partition("Commands:")[2], "a sentence was cut short"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_its_options(lapse_anew: Lapse, name: str) -> None:
    done = lapse_anew(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: lapse {name} [OPTIONS]")


def test_help_imports_no_heavy_modules() -> None:
    heavy = "('polars', 'confluent_kafka', 'httpx', 'aiohttp')"
    code = f"import sys, consumer.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [command()[0], "-c", code], env=environment(), capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout == "[]\n"


def test_version(lapse_anew: Lapse) -> None:
    done = lapse_anew("--version")
    assert (done.returncode, done.stdout.split()[0].strip(",")) == (0, "lapse")


def test_help_is_shown_without_a_command(lapse_anew: Lapse) -> None:
    done = lapse_anew()
    assert done.returncode == 2
    assert "Usage: lapse" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["rum"],
        ["run", "--rol", "detect"],
        ["run", "--role", "detcet"],
        ["send", "--phone", "1"],
        ["demo", "--seconds", "soon"],
        ["demo", "--seconds", "0"],
        ["sandbox", "--port", "70000"],
        ["sandbox", "--faults", "slw=0.1"],
    ],
)
def test_wrong_usage_exits_with_2_and_a_hint(lapse_anew: Lapse, arguments: list[str]) -> None:
    done = lapse_anew(*arguments)
    assert done.returncode == 2
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["run"], ["check"], ["topics"], ["send", "--phone=1", "--name=N", "--action=A"]])
def test_every_command_explains_mistakes_in_the_settings(
    lapse_anew: Lapse, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "lapse.yaml").write_text("procesess: {}\nkafka: {bootstrap_server: x}\n")
    done = lapse_anew(*arguments, LAPSE_KAFAK__X="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "LAPSE_KAFAK__X: kafak: unknown key; did you mean kafka?",
        "lapse.yaml:1: procesess: unknown key; did you mean processes?",
        "lapse.yaml:2: kafka.bootstrap_server: unknown key; did you mean bootstrap_servers?",
    ]


def test_missing_settings_file_is_reported(lapse_anew: Lapse, tmp_path: Path) -> None:
    assert lapse_anew("topics").stderr.startswith("lapse.yaml: this file does not exist")
    done = lapse_anew("topics", "--config", "other.yaml")
    assert (done.returncode, done.stderr.split(":")[0]) == (2, "other.yaml")
    assert lapse_anew("topics", LAPSE_CONFIG="third.yaml").stderr.startswith("third.yaml: this file does not exist")


def test_run_checks_secrets_first(lapse_anew: Lapse, tmp_path: Path) -> None:
    (tmp_path / "lapse.yaml").write_text(PROCESSES + CHANNEL + "web: {webhook_secret: {file: /nowhere/secret}}\n")
    done = lapse_anew("run", ONEMSG_TOKEN="")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "lapse.yaml:3: onemsg.token: the environment variable ONEMSG_TOKEN is not set or empty",
        "lapse.yaml:4: web.webhook_secret: cannot read /nowhere/secret: No such file or directory",
    ]


def test_webhook_secret_must_be_url_safe(lapse_anew: Lapse, tmp_path: Path) -> None:
    (tmp_path / "lapse.yaml").write_text(PROCESSES + CHANNEL + "web: {webhook_secret: {env: SECRET}}\n")
    done = lapse_anew("run", ONEMSG_TOKEN="t", SECRET="hunter2/with?more")
    assert done.returncode == 2
    assert done.stderr == "lapse.yaml:4: web.webhook_secret: is part of a URL: use only letters, digits, - and _\n"


def test_deliver_needs_the_onemsg_section(lapse_anew: Lapse, tmp_path: Path) -> None:
    (tmp_path / "lapse.yaml").write_text(PROCESSES)
    done = lapse_anew("run", "--role", "deliver")
    assert done.returncode == 2
    assert done.stderr.startswith("onemsg: is missing: deliver needs it")


def test_unknown_librdkafka_setting_is_named(lapse_anew: Lapse, tmp_path: Path) -> None:
    (tmp_path / "lapse.yaml").write_text(PROCESSES + "kafka: {client: {secruity.protocol: SSL}}\n")
    done = lapse_anew("run", "--role", "detect")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == 'kafka.client: No such configuration property: "secruity.protocol"'


@pytest.mark.slow
def test_waiting_for_the_broker_is_reported_and_sigterm_ends_it_with_0(tmp_path: Path) -> None:
    (tmp_path / "lapse.yaml").write_text(PROCESSES + "kafka: {bootstrap_servers: 'localhost:9'}\n")
    process = subprocess.Popen(
        command("run", "--role", "detect"),
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        assert process.stderr
        assert "starting" in process.stderr.readline()
        assert "no answer from localhost:9 within 2 s: is the broker running" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


class TestTheSandbox:
    @pytest.mark.slow
    def test_prints_its_address_as_json_then_accepts_a_message(self, tmp_path: Path) -> None:
        process = subprocess.Popen(
            command("sandbox"), cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, encoding="utf-8"
        )
        with process:
            assert process.stdout
            access = json.loads(process.stdout.readline())
            texts = [{"type": "text", "text": text} for text in ("Maria", "your order")]
            answer = httpx.post(
                f"{access['base_url']}/{access['channel_id']}/sendTemplate",
                headers={"Authorization": f"Bearer {access['token']}"},
                json={
                    "phone": "15551230000",
                    "template": access["template"],
                    "namespace": access["namespace"],
                    "language": {"policy": "deterministic", "code": access["language"]},
                    "params": [{"type": "body", "parameters": texts}],
                },
            )
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        assert answer.json()["sent"] is True

    def test_taken_port_is_reported(self, lapse_anew: Lapse) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = lapse_anew("sandbox", "--port", str(port))
        assert done.returncode == 1
        assert done.stderr == f"the sandbox cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_shell_completes_commands(lapse_anew: Lapse) -> None:
    done = lapse_anew(_LAPSE_COMPLETE="complete_bash", COMP_WORDS="lapse che", COMP_CWORD="1")
    assert done.stdout.split() == ["check"]
