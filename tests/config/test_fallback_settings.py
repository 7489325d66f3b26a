"""The section `fallback`: placeholders, addresses, and passwords that are sent encrypted only."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.commands.run import required_secrets
from consumer.config.loader import ConfigError
from consumer.email_address import normalize_email

from .config_files import CHANNEL, SMALL, loaded, problems

EMAIL = {
    "host": "smtp.example.com",
    "user": "lapse",
    "password": {"env": "SMTP_PASSWORD"},
    "from": "Our Shop <no-reply@example.com>",
    "subject": "{name}, {action} waits",
    "text": "Hello {name}: {link}",
    "link": "https://example.com/{process}?u={user_id}",
}


def section(**more: Any) -> str:
    return SMALL + CHANNEL + yaml.safe_dump({"fallback": {"email": EMAIL | more}})


def test_fallback_section_loads_and_requires_its_secrets(tmp_path: Path) -> None:
    text = section() + yaml.safe_dump({"tracking": {}})
    settings = loaded(tmp_path / "lapse.yaml", text)
    assert settings.fallback.email is not None
    assert (settings.fallback.email.port, settings.fallback.email.tls) == (587, "starttls")
    given = {"ONEMSG_TOKEN": "t", "LAPSE_WEBHOOK_SECRET": "a-secret-of-enough-characters"}
    with pytest.raises(ConfigError, match=r"fallback\.email\.password"):
        required_secrets(settings, frozenset({"deliver"}), given)
    assert len(required_secrets(settings, frozenset({"deliver"}), {**given, "SMTP_PASSWORD": "p"})) == 2
    assert len(required_secrets(settings, frozenset({"detect"}), given)) == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"text": "Hello {nmae}"}, "{nmae} is unknown: write one of {name}, {action}, {link}"),
        ({"text": "Hello {name.__class__}: {}"}, "{} is unknown"),
        ({"subject": "one\ntwo"}, "a subject must be a single line"),
        ({"link": None}, "text contains {link}, but link is not set"),
        ({"link": "javascript:alert(1)"}, "is not a link"),
        ({"link": "https://{user_id}.example.com/"}, "is not a link"),
        ({"link": "https://example.com/{name}"}, "{name} is unknown"),
        ({"from": "nobody"}, "is not an address"),
        ({"from": "Shop <no-reply@example.com>\nBcc: all@example.com"}, "is not an address"),
        ({"unsubscribe": ["http://example.com/u"]}, "write where people unsubscribe"),
        ({"unsubscribe": ["https://example.com/u>, <https://evil.example"]}, "write where people unsubscribe"),
        ({"tls": "none"}, "a password must not be sent unencrypted"),
        ({"user": None}, "set both user and password, or neither"),
        ({"pasword": {"env": "X"}}, "did you mean password?"),
        ({"password": "hunter2"}, "a secret must not be written in the file"),
    ],
)
def test_invalid_fallback_is_explained(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    (first, *_) = problems(tmp_path / "lapse.yaml", section(**wrong))
    assert "fallback.email" in first
    assert said in first
    assert "hunter2" not in first


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" Maria.Lopez+x@Example.COM ", "Maria.Lopez+x@example.com"),
        ("maria@münchen.example", "maria@xn--mnchen-3ya.example"),
        ("ana@faß.example", "ana@xn--fa-hia.example"),  # IDNA 2008: not fass.example
        ("o'brien@example.co.uk", "o'brien@example.co.uk"),
        ("maria@example", None),
        ("maria", None),
        ("@example.com", None),
        ("a b@example.com", None),
        ("a..b@example.com", None),
        (".a@example.com", None),
        ("maría@example.com", None),
        ("maria@-example.com", None),
        ("maria@127.0.0.1", None),
        ("maria@example.com>\r\nRCPT TO:<all@example.com", None),
        ("maria@example.com\r\n", "maria@example.com"),
        ("maria@example.com, paul@example.com", None),
        ("a" * 65 + "@example.com", None),
        ("maria@" + "a" * 64 + ".com", None),
        ("maria@" + ".".join(["a" * 60] * 5), None),
        ("maria@server.local", None),
        ('"maria lopez"@example.com', None),
        ("maria@[192.0.2.1]", None),
        ("maria\ud800@example.com", None),
        ("", None),
    ],
)
def test_normalize_email(text: str, address: str | None) -> None:
    assert normalize_email(text) == address
