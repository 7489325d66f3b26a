"""The types of values in `lapse.yaml`: durations, times of day, time zones, addresses, secrets."""

import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    model_validator,
)

from consumer.clock import Millis

Role: TypeAlias = Literal["detect", "deliver"]
"""One half of `lapse run`."""

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(str(value).strip())
    if isinstance(value, bool) or found is None:
        number = not isinstance(value, bool) and re.fullmatch(r"\d+(\.\d+)?", str(value).strip())
        wrong = "a duration needs a unit" if number else f"{str(value)[:40]!r} is not a duration"
        raise ValueError(f"{wrong}: write 90s, 15m, 24h or 7d")
    length = float(found[1]) * _UNITS[found[2]]
    if length > 100 * 365 * _UNITS["d"]:
        raise ValueError("a duration may be at most a hundred years")
    return timedelta(milliseconds=length)


Duration = Annotated[timedelta, BeforeValidator(_duration)]


def _topic_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) or value in (".", ".."):
        raise ValueError(
            f"{value[:40]!r} is no name of a topic: those have letters, digits, dots, hyphens, underscores"
        )
    return value


TopicName = Annotated[str, AfterValidator(_topic_name)]
"""A topic of Kafka's. Its clients take a name that begins with ^ for a pattern of many."""


def millis(span: timedelta) -> Millis:
    """Return a duration in whole milliseconds."""
    return span // timedelta(milliseconds=1)


def format_duration(span: timedelta) -> str:
    """Return a duration as it is written in `lapse.yaml`, largest units first: `90d`, `1d12h`, `1m30s`."""
    return format_millis(millis(span))


def format_millis(span: Millis) -> str:
    """Return a span in milliseconds as `format_duration` does."""
    left, parts = span, []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, _UNITS[unit])
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def _zone(value: object) -> object:
    try:
        ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone: write a name such as Europe/Madrid") from None
    return value


Zone = Annotated[str, BeforeValidator(_zone)]


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("is not an address: write it like https://example.com")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("write only the address: user, password and token have their own keys")
    return value


Address = Annotated[str, AfterValidator(_address)]

_INSIDE = (".localhost", ".local", ".internal", ".svc")


def strangers_could_read(address: str) -> bool:
    """Return whether what is sent to an address is not encrypted, and may leave the own network.

    Inside are this machine, private numbers, names without a dot (those of containers), and the endings that no public
    name has.
    """
    parts = urlsplit(address)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme == "https" or host.endswith(_INSIDE) or re.fullmatch(r"[a-z][a-z0-9_-]*", host):
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return True


NOT_ENCRYPTED = "is not encrypted, so that others could read the secret on its way: write https://"


def _encrypted(value: str) -> str:
    if strangers_could_read(value):
        raise ValueError(NOT_ENCRYPTED)
    return value


SecretAddress = Annotated[Address, AfterValidator(_encrypted)]
"""An address that a secret is sent to."""


def _time_of_day(value: object) -> object:
    found = re.fullmatch(r"(\d\d?):(\d\d)", value.strip()) if isinstance(value, str) else None
    minutes = int(found[1]) * 60 + int(found[2]) if found else -1
    if found is None or int(found[2]) > 59 or minutes > 24 * 60:
        raise ValueError('write a time of day in quotes, such as "09:00"')
    return timedelta(minutes=minutes)


TimeOfDay = Annotated[timedelta, BeforeValidator(_time_of_day)]


def resolve(path: Path, info: ValidationInfo) -> Path:
    """Return a path of `lapse.yaml`, which counts from that file's folder, whatever folder a command is run in."""
    return Path((info.context or {}).get("folder", "")) / path


FilePath = Annotated[Path, AfterValidator(resolve)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)


class Secret(Section):
    """Where a secret is kept: `{env: NAME}` or `{file: path}`. It is never written in `lapse.yaml` itself."""

    env: str | None = None
    """The environment variable that contains it."""
    file: FilePath | None = None
    """The file that contains it and nothing else. A relative path counts from the folder of `lapse.yaml`."""
    value: SecretStr | None = None  # from LAPSE_… variables only; config/loader.py refuses it in the file
    _place: str = PrivateAttr("")

    @property
    def place(self) -> str:
        """Where it was set, for messages: `lapse.yaml:7: onemsg.token`, or a variable; empty if it was not loaded."""
        return self._place

    def note_place(self, place: str) -> None:
        self._place = place

    @model_validator(mode="before")
    @classmethod
    def _from_environment(cls, given: Any) -> Any:
        return {"value": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_place(self) -> "Secret":
        if sum(place is not None for place in (self.env, self.file, self.value)) != 1:
            raise ValueError("write exactly one of {env: NAME} and {file: /path}")
        return self
