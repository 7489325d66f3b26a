"""The settings of a trial: the configured broker, channel and template, and everything else its own."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from consumer.config.sections.detect import BrakeSettings, DetectSettings
from consumer.config.sections.fallback import FallbackSettings
from consumer.config.sections.kafka import TopicSettings
from consumer.config.sections.onemsg import TrackingSettings
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.service import LedgerSettings, WebSettings
from consumer.config.sections.source import SourceSettings
from consumer.config.settings import Settings

PROCESS = "lapse-try"
_LATENESS = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Trial:
    """`name` begins the names of everything that the trial makes on the broker; `user` is its only client."""

    name: str
    user: str
    settings: Settings

    @property
    def topics(self) -> list[str]:
        t = self.settings.topics
        ours = [t.contacts, t.reminders, t.delivery_status, t.opt_outs, t.dead_letters, self.settings.state_topic]
        return [self.settings.source.topic, *ours]


def trial_of(s: Settings, process: str, name: str, folder: Path, *, quiet: timedelta) -> Trial:
    """Return a trial of this process's template and text, with a reminder after `quiet` without activity.

    It has no registry, so that nothing is registered that would stay. It obeys `policy.text_check`; send window, caps
    and holdout are left out, since whoever tries wants the message now.
    """
    chosen, user = s.processes[process], f"{name}-client"
    topics = {key: f"{name}-{key}" for key in ("contacts", "reminders", "delivery_status", "opt_outs", "dead_letters")}
    own = {
        "kafka": s.kafka.model_copy(
            update={
                "group_prefix": name,
                "instance": "try",
                # A group can be removed once its static members have timed out.
                "client": {**s.kafka.client, "session.timeout.ms": 6_000},
            }
        ),
        "topics": TopicSettings.model_validate({**topics, "replication": s.topics.replication}),
        "schema_registry": None,
        "source": SourceSettings(topic=f"{name}-activity", backfill=timedelta(hours=1)),
        "processes": {PROCESS: ProcessSettings(action=chosen.action, remind_after=(quiet,), template=chosen.template)},
        "detect": DetectSettings(
            commit_interval=timedelta(milliseconds=250),
            allowed_lateness=_LATENESS,
            settle=timedelta(seconds=1),
            brake=BrakeSettings(share_of_mean=None),
        ),
        "policy": s.policy.model_copy(
            update={"send_window": None, "max_per_user": {}, "holdout": 0.0, "only_users": (user,)}
        ),
        "tracking": TrackingSettings(poll_after=timedelta(seconds=2), give_up_after=timedelta(hours=1)),
        "fallback": FallbackSettings(),
        "ledger": LedgerSettings(url=f"sqlite:///{folder / 'lapse.db'}"),
        "web": WebSettings(port=0),
    }
    return Trial(name, user, s.model_copy(update=own))
