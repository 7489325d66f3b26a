"""All sections of `lapse.yaml`, and the rules that hold between them."""

from datetime import timedelta

from pydantic import Field, model_validator

from consumer.config.sections.detect import DetectSettings
from consumer.config.sections.fallback import FallbackSettings
from consumer.config.sections.kafka import KafkaSettings, RegistrySettings, TopicSettings
from consumer.config.sections.onemsg import OneMsgSettings, TrackingSettings
from consumer.config.sections.policy import PolicySettings
from consumer.config.sections.prices import PriceSettings
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.service import LedgerSettings, LogSettings, TelemetrySettings, WebSettings
from consumer.config.sections.source import SourceSettings, events_problem
from consumer.config.sections.template import action_problem
from consumer.config.types import Section, format_duration


class Settings(Section):
    """All of `lapse.yaml`. Only `app.py`, `wiring/` and the commands get it; other parts get what they need of it."""

    kafka: KafkaSettings = KafkaSettings()
    """The brokers, and this process's name there."""
    topics: TopicSettings = TopicSettings()
    """The topics' names."""
    schema_registry: RegistrySettings | None = None
    """The registry of Avro schemas. If left out, the schemas in `schemas/` are used."""
    source: SourceSettings = SourceSettings()
    """The topic of user activity, and how to read its events."""
    processes: dict[str, ProcessSettings] = Field(min_length=1)
    """What a user can leave unfinished, by the process's name in the activity."""
    detect: DetectSettings = DetectSettings()
    """When a user counts as gone quiet."""
    onemsg: OneMsgSettings | None = None
    """The 1MSG channel. May be left out where only detect runs."""
    policy: PolicySettings = PolicySettings()
    """Who gets messages, when, and how often."""
    prices: PriceSettings | None = None
    """What messages cost, for `lapse report`. If left out, it tells no costs."""
    tracking: TrackingSettings = TrackingSettings()
    """How messages are followed after sending."""
    fallback: FallbackSettings = FallbackSettings()
    """Other ways to reach people whom WhatsApp cannot reach."""
    ledger: LedgerSettings = LedgerSettings()
    """Deliver's database."""
    web: WebSettings = WebSettings()
    """Webhook, health, metrics and console."""
    log: LogSettings = LogSettings()
    """What is logged, and in which format."""
    telemetry: TelemetrySettings = TelemetrySettings()
    """Distributed tracing."""

    @property
    def state_topic(self) -> str:
        return self.topics.state or f"{self.kafka.group_prefix}-state"

    @model_validator(mode="after")
    def _topics_differ(self) -> "Settings":
        used = {"source.topic": self.source.topic}
        for key, name in {
            "topics.contacts": self.topics.contacts,
            "topics.reminders": self.topics.reminders,
            "topics.delivery_status": self.topics.delivery_status,
            "topics.opt_outs": self.topics.opt_outs,
            "topics.dead_letters": self.topics.dead_letters,
            "topics.state": self.state_topic,
        }.items():
            for other, taken in used.items():
                if name == taken:
                    raise ValueError(
                        f"{key} and {other} are both {name!r}: what is written for one reader would be read by another."
                        " Give each topic a name of its own"
                    )
            used[key] = name
        return self

    @model_validator(mode="after")
    def _events_match_processes(self) -> "Settings":
        for name, process in self.processes.items():
            closing = (*process.complete_on, *process.cancel_on)
            if problem := events_problem(self.source.paths, name, process.active_on, closing):
                raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _actions_cover_languages(self) -> "Settings":
        if self.onemsg is None:
            return self
        for name, process in self.processes.items():
            if problem := action_problem(process.action, process.template.apply_to(self.onemsg.template)):
                raise ValueError(f"processes.{name}.action: {problem}")
        return self

    @model_validator(mode="after")
    def _forget_after_is_long_enough(self) -> "Settings":
        longest = max(p.remind_after[-1] for p in self.processes.values())
        needed = longest + self.policy.expire_after + self.detect.allowed_lateness
        if self.detect.forget_after <= needed:
            set_to, least = format_duration(self.detect.forget_after), format_duration(needed)
            raise ValueError(
                f"detect.forget_after ({set_to}) must be longer than the longest remind_after + policy.expire_after"
                f" + detect.allowed_lateness ({least}): a user must not be forgotten while a reminder may still be due"
            )
        return self

    @model_validator(mode="after")
    def _ledger_keep_is_long_enough(self) -> "Settings":
        longest = max(p.remind_after[-1] for p in self.processes.values())
        counted = max(longest + self.policy.expire_after, *self.policy.max_per_user, self.tracking.give_up_after)
        if self.ledger.keep <= counted:
            set_to, least = format_duration(self.ledger.keep), format_duration(counted)
            raise ValueError(
                f"ledger.keep ({set_to}) must be longer than each of these ({least} at present): the longest"
                " remind_after + policy.expire_after, the periods of policy.max_per_user, tracking.give_up_after"
            )
        return self

    @model_validator(mode="after")
    def _windows_open_before_expiry(self) -> "Settings":
        windows = {f"processes.{name}.send_window": process.send_window for name, process in self.processes.items()}
        for key, chosen in {"policy.send_window": self.policy.send_window, **windows}.items():
            closed = timedelta(milliseconds=chosen.window.longest_closed) if chosen else timedelta(0)
            if closed > self.policy.expire_after:
                longest, lives = format_duration(closed), format_duration(self.policy.expire_after)
                raise ValueError(
                    f"{key} can stay closed for {longest} (one hour of it for the change from summer time), longer than"
                    f" policy.expire_after ({lives}): reminders would expire before it opens."
                    " Open it on more days, or raise policy.expire_after"
                )
        return self
