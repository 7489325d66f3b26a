"""The settings of Lapse: one frozen class for each section of `lapse.yaml`.

Each part of the program is handed its own section, never the whole. How a file and the environment become
settings, and how a mistake is explained, is in `consumer/config/loader.py`.
"""

import re
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from consumer.config.events import PATHS, EventPath, Listed, complaint, events_complaint
from consumer.config.fallback import EmailFallbackSettings as EmailFallbackSettings
from consumer.config.fallback import FallbackSettings as FallbackSettings
from consumer.config.fallback import WebhookFallbackSettings as WebhookFallbackSettings
from consumer.config.policy import PolicySettings as PolicySettings
from consumer.config.policy import SendWindowSettings as SendWindowSettings
from consumer.config.template import Action as Action
from consumer.config.template import TemplateOverride as TemplateOverride
from consumer.config.template import TemplateSettings as TemplateSettings
from consumer.config.template import wrong_action
from consumer.config.types import Address, Duration, Section
from consumer.config.types import Secret as Secret
from consumer.config.types import millis as millis


def _channel_id(value: str) -> str:
    if not re.fullmatch(r"[\w.-]+", value, re.ASCII) or not value.strip("."):
        raise ValueError("write the channel's id alone: the part of its 1MSG address behind the host")
    return value


class KafkaSettings(Section):
    bootstrap_servers: str = "localhost:9092"
    client: dict[str, str | int | float | bool] = Field(default_factory=dict)
    group_prefix: str = "lapse"
    instance: str | None = None
    """Names this process among its replicas, the same at every start; the host's name unless set."""


class TopicSettings(Section):
    contacts: str = "contacts"
    reminders: str = "reminders"
    delivery_status: str = "delivery-status"
    opt_outs: str = "opt-outs"
    dead_letters: str = "dead-letters"
    state: str | None = None
    """`<group_prefix>-state` unless set."""
    create: bool = True
    replication: int = Field(default=-1, ge=-1)
    """Of topics that Lapse creates; -1 leaves it to the broker."""


class RegistrySettings(Section):
    url: Address
    user: str | None = None
    password: Secret | None = None


class SourceSettings(Section):
    topic: str = "user-activity"
    format: Literal["avro", "json"] = "avro"
    start: Literal["earliest", "latest"] = "earliest"
    user: EventPath | None = None
    """This path and the next five say where events of another schema than ours have what Lapse needs."""
    time: EventPath | None = None
    process: EventPath | None = None
    kind: EventPath | None = None
    action: EventPath | None = None
    event: EventPath | None = None
    time_unit: Literal["seconds", "millis", "micros", "nanos"] | None = None
    """Of times that are numbers and whose schema does not say; told by their size unless set."""
    records: Listed = ()
    """Avro records with other names are not activities; any name unless set."""
    schemas: tuple[Path, ...] = ()
    """Files of writers' schemas, for values in single-object encoding."""

    @property
    def paths(self) -> dict[str, str]:
        """Those that are set, by their keys; none at all where the events are ours."""
        return {key: path for key in PATHS if (path := getattr(self, key)) is not None}

    @model_validator(mode="after")
    def _says_all_that_is_needed(self) -> "SourceSettings":
        if self.format == "json" and (self.schemas or self.records):
            raise ValueError("schemas and records are for format: avro")
        if self.time_unit and not self.paths:
            raise ValueError("time_unit is for events of your own schema: add user, time and event")
        if self.paths and (problem := complaint(self.paths)):
            raise ValueError(problem)
        return self


class ProcessSettings(Section):
    action: Action
    remind_after: tuple[Duration, ...] = Field(min_length=1, max_length=100)
    template: TemplateOverride = TemplateOverride()
    send_window: SendWindowSettings | None = None
    """`policy.send_window` unless set."""
    active_on: Listed = ()
    """Names of events (`source.event`) that show a user at work on it."""
    complete_on: Listed = ()
    cancel_on: Listed = ()

    @model_validator(mode="after")
    def _an_event_means_one_thing(self) -> "ProcessSettings":
        for one, other in combinations(("active_on", "complete_on", "cancel_on"), 2):
            if set(getattr(self, one)) & set(getattr(self, other)):
                raise ValueError(f"{one} and {other} name the same event: it can mean only one of them")
        return self

    @model_validator(mode="after")
    def _ladder_rises(self) -> "ProcessSettings":
        if any(span <= timedelta(0) for span in self.remind_after):
            raise ValueError("remind_after must be longer than nothing")
        if any(b <= a for a, b in zip(self.remind_after, self.remind_after[1:], strict=False)):
            raise ValueError("remind_after must rise: each step is counted from when the user was last seen")
        return self


class BrakeSettings(Section):
    floor: float | None = Field(default=None, gt=0)
    """Records a second, of all partitions of a process."""
    share_of_mean: float | None = Field(default=0.1, gt=0, lt=1)
    window: Annotated[Duration, Field(ge=timedelta(seconds=10))] = timedelta(minutes=1)
    mean_over: Duration = timedelta(hours=1)
    lapse_limit: int | None = Field(default=None, ge=1)
    """Lapses a minute, of all partitions of a process."""

    @model_validator(mode="after")
    def _a_mean_of_more_than_a_few_windows(self) -> "BrakeSettings":
        if self.mean_over < 6 * self.window:
            raise ValueError(f"mean_over must be at least six times window ({6 * self.window})")
        return self


class DetectSettings(Section):
    commit_interval: Duration = timedelta(seconds=1)
    allowed_lateness: Duration = timedelta(seconds=30)
    settle: Duration = timedelta(minutes=5)
    forget_after: Duration = timedelta(days=30)
    bad_record_share: float = Field(default=0.5, gt=0, le=1)
    brake: BrakeSettings = BrakeSettings()


class OneMsgSettings(Section):
    base_url: Address = "https://api.1msg.io"
    channel_id: Annotated[str, AfterValidator(_channel_id)]
    token: Secret
    template: TemplateSettings
    timeout: Duration = timedelta(seconds=10)
    rate: float | None = Field(default=80, gt=0)
    """Requests a second for the channel, all replicas together; null for no limit of ours."""
    unique_recipients_per_day: int | None = Field(default=None, ge=1)
    """Different people that may be written to within 24 hours: your messaging limit (250, 2000, …); none unless set."""
    max_attempts: int = Field(default=3, ge=1)
    ttl: int | None = None
    """`messageSendTtlSeconds`; which values are allowed depends on the template's category."""
    look_every: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(minutes=5)
    """How often templates and the webhook's registration are looked at again."""


class TrackingSettings(Section):
    poll_after: Duration = timedelta(minutes=2)
    give_up_after: Duration = timedelta(hours=24)


def _ledger_url(value: str) -> str:
    if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("write sqlite:///lapse.db, or postgresql+psycopg://… for several replicas")
    return value


class LedgerSettings(Section):
    url: Annotated[str, AfterValidator(_ledger_url)] = "sqlite:///lapse.db"
    keep: Duration = timedelta(days=90)
    """For how long reminders that are over can be looked up, and what people wrote to us."""


class WebSettings(Section):
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: Address | None = None
    webhook_secret: Secret | None = None
    api_token: Secret | None = None
    register_webhook: bool = False


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Settings(Section):
    """The whole of `lapse.yaml`. Only `app.py` and the commands see it."""

    kafka: KafkaSettings = KafkaSettings()
    topics: TopicSettings = TopicSettings()
    schema_registry: RegistrySettings | None = None
    source: SourceSettings = SourceSettings()
    processes: dict[str, ProcessSettings] = Field(min_length=1)
    detect: DetectSettings = DetectSettings()
    onemsg: OneMsgSettings | None = None
    """May be left out where only detect runs."""
    policy: PolicySettings = PolicySettings()
    tracking: TrackingSettings = TrackingSettings()
    fallback: FallbackSettings = FallbackSettings()
    ledger: LedgerSettings = LedgerSettings()
    web: WebSettings = WebSettings()
    log: LogSettings = LogSettings()

    @property
    def state_topic(self) -> str:
        return self.topics.state or f"{self.kafka.group_prefix}-state"

    @model_validator(mode="after")
    def _events_and_processes_meet(self) -> "Settings":
        for name, process in self.processes.items():
            closing = (*process.complete_on, *process.cancel_on)
            if problem := events_complaint(self.source.paths, name, process.active_on, closing):
                raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _words_for_every_language(self) -> "Settings":
        for name, process in self.processes.items() if self.onemsg else ():
            wrong = wrong_action(process.action, process.template.over(self.onemsg.template)) if self.onemsg else None
            if wrong:
                raise ValueError(f"processes.{name}.action: {wrong}")
        return self

    @model_validator(mode="after")
    def _forgotten_only_when_past(self) -> "Settings":
        longest = max(p.remind_after[-1] for p in self.processes.values())
        needed = longest + self.policy.expire_after + self.detect.allowed_lateness
        if self.detect.forget_after <= needed:
            raise ValueError(
                f"detect.forget_after ({self.detect.forget_after}) must be longer than the longest remind_after"
                f" + policy.expire_after + detect.allowed_lateness ({needed}): a user must not be forgotten"
                " while a reminder may still be due"
            )
        return self

    @model_validator(mode="after")
    def _kept_while_it_counts(self) -> "Settings":
        longest = max(p.remind_after[-1] for p in self.processes.values())
        counted = max(longest + self.policy.expire_after, *self.policy.max_per_user, self.tracking.give_up_after)
        if self.ledger.keep <= counted:
            raise ValueError(
                f"ledger.keep ({self.ledger.keep}) must be longer than anything that is counted from what was sent"
                f" ({counted}): the longest remind_after + policy.expire_after, the spans of policy.max_per_user,"
                " tracking.give_up_after"
            )
        return self

    @model_validator(mode="after")
    def _windows_open_in_time(self) -> "Settings":
        windows = {f"processes.{name}.send_window": process.send_window for name, process in self.processes.items()}
        for key, chosen in {"policy.send_window": self.policy.send_window, **windows}.items():
            closed = timedelta(milliseconds=chosen.window.longest_closed) if chosen else timedelta(0)
            if closed > self.policy.expire_after:
                raise ValueError(
                    f"{key} can be closed for {closed} (an hour of it for clocks that are put back), longer than"
                    f" policy.expire_after ({self.policy.expire_after}): reminders would expire before it opens."
                    " Open it on more days, or let them live longer"
                )
        return self
