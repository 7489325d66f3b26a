"""Unreadable records engage the brake, which survives a restart until an operator releases it."""

from pathlib import Path

from tests.app.service import Platform, Service, eventually, http


def detail(service: Service) -> str:
    return str(http.get(f"{service.url}/readyz").json()["parts"]["detect"]["detail"])


def test_engaged_brake_survives_a_restart_until_released(service: Service, platform: Platform, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("an-api-token-of-the-tests")
    service.change("web", api_token={"file": str(token)})
    service.start("--role", "detect")
    assert service.command("brake", "status").stdout == "nothing is held back\n"
    for _ in range(120):
        platform.write_bytes("activity", b"maria", b"these bytes mean nothing")
    platform.says("maria", "STARTED", "checkout")
    platform.flush()
    eventually(lambda: service.metric("lapse_distrusted_partitions") == 1, meaning="a clock stands")
    eventually(lambda: "lapse brake release" in detail(service), meaning="it says what an operator can do")
    assert service.ready()
    assert service.stop() == 0
    service.start("--role", "detect")
    eventually(lambda: service.metric("lapse_distrusted_partitions") == 1, meaning="it is remembered")
    assert "cannot be read" in service.command("brake", "status").stdout
    assert service.metric('lapse_lapses_total{outcome="asked",process="checkout",step="0"}') == 0
    assert http.post(f"{service.url}/api/brake/release").status_code == 401
    assert "the watermark of partition" in service.command("brake", "release").stdout
    asked = 'lapse_reminders_total{kind="DUE",process="checkout",step="0"}'
    eventually(lambda: service.metric(asked) == 1, meaning="she is asked about")
    assert "an-api-token" not in service.log
    nobody = service.command("brake", "status", "--url", "http://127.0.0.1:1")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "no answer from http://127.0.0.1:1" in nobody.stderr
