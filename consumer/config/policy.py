"""The section `policy`: who is written to, when, and how often."""

from datetime import timedelta
from typing import Annotated, Literal, TypeAlias, get_args

import phonenumbers
from pydantic import AfterValidator, Field, model_validator

from consumer.config.types import Duration, Section, TimeOfDay, Zone, millis
from consumer.send_window import Window

Weekday: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_EVERY_DAY: tuple[Weekday, ...] = get_args(Weekday)


def _region(value: str) -> str:
    region = value.strip().upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("is no country: write its two letters, such as ES")
    return region


Region = Annotated[str, AfterValidator(_region)]


class SendWindowSettings(Section):
    """When people may be written to, by their own clocks. It may cross midnight: from "18:00" to "02:00"."""

    opens: TimeOfDay = Field(alias="from")
    """When it opens, such as "09:00"."""
    closes: TimeOfDay = Field(alias="to")
    """When it closes, such as "20:00"."""
    days: tuple[Weekday, ...] = Field(default=_EVERY_DAY, min_length=1)
    """The days on which it opens."""

    @property
    def window(self) -> Window:
        days = frozenset(_EVERY_DAY.index(day) for day in self.days)
        return Window(millis(self.opens), millis(self.closes), days)

    @model_validator(mode="after")
    def _opens_and_closes(self) -> "SendWindowSettings":
        if self.opens == self.closes or self.opens >= timedelta(hours=24):
            raise ValueError('from and to must differ; for whole days write from: "00:00", to: "24:00"')
        return self


class PolicySettings(Section):
    require_opt_in: bool = True
    """Write only to contacts that agreed."""
    timezone: Zone = "UTC"
    """The time zone of recipients of whom nothing better is known."""
    default_region: Region | None = None
    """The country of phone numbers without a country code, such as ES."""
    default_name: str | None = None
    """{{1}} for contacts without a name; unset, they get no message."""
    send_window: SendWindowSettings | None = None
    """When people may be written to, by their own clocks; any time unless set."""
    max_per_user: dict[Duration, Annotated[int, Field(ge=1)]] = Field(default={timedelta(hours=24): 1})
    """How many messages within such a span, to one user or one phone, whatever they are about."""
    opt_out_words: tuple[str, ...] | None = None
    """Whoever answers with one of these, beside courtesy, is not written to again; ours unless set."""
    text_check: Literal["strict", "links", "off"] = "strict"
    """Names and actions with links, addresses, long numbers or formatting are not sent: the default name or the
    process's action stands in. `links` lets numbers and formatting pass, `off` everything."""
    holdout: float = Field(default=0.0, ge=0, lt=1)
    """The share of users who get no message, to compare the others with."""
    dry_run: bool = False
    """Decide and publish everything, and send nothing."""
    only_users: tuple[str, ...] | None = None
    """For a first launch: only these users are written to."""
    expire_after: Duration = timedelta(hours=72)
    """A lapse this long ago is not reminded of any more."""
    max_staleness: Duration = timedelta(minutes=5)
    """Nothing is sent while detect has not been heard from for so long."""
