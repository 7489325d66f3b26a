"""The section `policy`: who gets messages, when, and how often."""

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
        raise ValueError("is not a country: write its two letters, such as ES")
    return region


Region = Annotated[str, AfterValidator(_region)]


class SendWindowSettings(Section):
    """When people may get messages, by their local time. It may cross midnight: from "18:00" to "02:00"."""

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
            raise ValueError('from and to must differ; for the whole day write from: "00:00", to: "24:00"')
        return self


class PolicySettings(Section):
    require_opt_in: bool = True
    """Send only to contacts with `opt_in: true`."""
    timezone: Zone = "UTC"
    """The time zone of recipients whose own zone and phone number do not tell one."""
    default_region: Region | None = None
    """The country of phone numbers without a country code, such as ES."""
    default_name: str | None = None
    """The text for {{1}} for contacts without a name. Default: their reminders wait for one."""
    send_window: SendWindowSettings | None = None
    """When people may get messages, by their local time. Default: any time."""
    max_per_user: dict[Duration, Annotated[int, Field(ge=1)]] = Field(default={timedelta(hours=24): 1})
    """How many messages one user, one phone or one mailbox may get within each period, from all processes together."""
    opt_out_words: tuple[str, ...] | None = None
    """Whoever answers with one of these texts gets no more messages. Default: a list in 36 languages."""
    text_check: Literal["strict", "links", "off"] = "strict"
    """How names and actions from outside are judged. One with a link, an address, a long number or formatting is not
    sent: the default name, or the action of the process, takes its place. `links` allows numbers and formatting,
    `off` allows everything."""
    holdout: float = Field(default=0.0, ge=0, lt=1)
    """The share of users who get no message, as a control group."""
    dry_run: bool = False
    """Decide and publish everything, but send nothing."""
    only_users: tuple[str, ...] | None = None
    """Send to these users only, for a first launch."""
    expire_after: Duration = timedelta(hours=72)
    """Do not remind of a lapse that is longer ago than this."""
    max_staleness: Duration = timedelta(minutes=5)
    """Send nothing while detect, or the reading of contacts, is further behind than this: the person may have come
    back, or no longer agree."""
