"""The whole of `lapse.yaml`, and the rules that hold between its sections."""

from datetime import timedelta

from pydantic import Field, model_validator

from consumer.config.detect import DetectSettings
from consumer.config.event_paths import events_problem
from consumer.config.fallback import FallbackSettings
from consumer.config.kafka import KafkaSettings, RegistrySettings, TopicSettings
from consumer.config.onemsg import OneMsgSettings, TrackingSettings
from consumer.config.policy import PolicySettings
from consumer.config.processes import ProcessSettings
from consumer.config.service import LedgerSettings, LogSettings, WebSettings
from consumer.config.source import SourceSettings
from consumer.config.template import action_problem
from consumer.config.types import Section, format_duration


class Settings(Section):
    """The whole of `lapse.yaml`. Only `app.py` and the commands see it."""

    kafka: KafkaSettings = KafkaSettings()
    """The broker, and how this process is named there."""
    topics: TopicSettings = TopicSettings()
    """Names of topics."""
    schema_registry: RegistrySettings | None = None
    """Where Avro schemas are; left out, they come from `schemas/`."""
    source: SourceSettings = SourceSettings()
    """What the platform writes about its users."""
    processes: dict[str, ProcessSettings] = Field(min_length=1)
    """What a user can leave unfinished, by the name that the activity carries."""
    detect: DetectSettings = DetectSettings()
    """How detect works."""
    onemsg: OneMsgSettings | None = None
    """The 1MSG channel; may be left out where only detect runs."""
    policy: PolicySettings = PolicySettings()
    """Who is written to, when, and how often."""
    tracking: TrackingSettings = TrackingSettings()
    """How messages are followed."""
    fallback: FallbackSettings = FallbackSettings()
    """Other ways to people whom WhatsApp cannot reach."""
    ledger: LedgerSettings = LedgerSettings()
    """Deliver's database."""
    web: WebSettings = WebSettings()
    """Webhook, health, metrics and console."""
    log: LogSettings = LogSettings()
    """What is logged, and how."""

    @property
    def state_topic(self) -> str:
        return self.topics.state or f"{self.kafka.group_prefix}-state"

    @model_validator(mode="after")
    def _events_and_processes_meet(self) -> "Settings":
        for name, process in self.processes.items():
            closing = (*process.complete_on, *process.cancel_on)
            if problem := events_problem(self.source.paths, name, process.active_on, closing):
                raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _words_for_every_language(self) -> "Settings":
        for name, process in self.processes.items() if self.onemsg else ():
            wrong = (
                action_problem(process.action, process.template.apply_to(self.onemsg.template)) if self.onemsg else None
            )
            if wrong:
                raise ValueError(f"processes.{name}.action: {wrong}")
        return self

    @model_validator(mode="after")
    def _forgotten_only_when_past(self) -> "Settings":
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
    def _kept_while_it_counts(self) -> "Settings":
        longest = max(p.remind_after[-1] for p in self.processes.values())
        counted = max(longest + self.policy.expire_after, *self.policy.max_per_user, self.tracking.give_up_after)
        if self.ledger.keep <= counted:
            set_to, least = format_duration(self.ledger.keep), format_duration(counted)
            raise ValueError(
                f"ledger.keep ({set_to}) must be longer than anything that is counted from what was sent ({least}):"
                " the longest remind_after + policy.expire_after, the spans of policy.max_per_user,"
                " tracking.give_up_after"
            )
        return self

    @model_validator(mode="after")
    def _windows_open_in_time(self) -> "Settings":
        windows = {f"processes.{name}.send_window": process.send_window for name, process in self.processes.items()}
        for key, chosen in {"policy.send_window": self.policy.send_window, **windows}.items():
            closed = timedelta(milliseconds=chosen.window.longest_closed) if chosen else timedelta(0)
            if closed > self.policy.expire_after:
                longest, lives = format_duration(closed), format_duration(self.policy.expire_after)
                raise ValueError(
                    f"{key} can be closed for {longest} (an hour of it for clocks that are put back), longer than"
                    f" policy.expire_after ({lives}): reminders would expire before it opens."
                    " Open it on more days, or let them live longer"
                )
        return self
