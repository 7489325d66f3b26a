"""The section `detect`: when a user counts as gone quiet, and when the brake holds lapses back."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator

from consumer.config.types import Duration, Section, format_duration


class BrakeSettings(Section):
    floor: float | None = Field(default=None, gt=0)
    """Hold lapses back when fewer records a second than this arrive in all partitions of one detect process."""
    share_of_mean: float | None = Field(default=0.1, gt=0, lt=1)
    """Hold lapses back when fewer records arrive than this share of the recent mean; null: off."""
    window: Annotated[Duration, Field(ge=timedelta(seconds=10))] = timedelta(minutes=1)
    """How long the input must be too low before lapses are held back."""
    mean_over: Duration = timedelta(hours=1)
    """The period before `window` over which the mean is taken; at least six times `window`."""
    lapse_limit: int | None = Field(default=None, ge=1)
    """Hold lapses back when more lapses a minute than this are due in all partitions of one detect process."""

    @model_validator(mode="after")
    def _mean_spans_several_windows(self) -> "BrakeSettings":
        if self.mean_over < 6 * self.window:
            raise ValueError(f"mean_over must be at least six times window ({format_duration(6 * self.window)})")
        return self


class DetectSettings(Section):
    commit_interval: Duration = timedelta(seconds=1)
    """How often state, reminders and offsets are committed, in one transaction."""
    allowed_lateness: Duration = timedelta(seconds=30)
    """How long to wait for late events before a lapse counts."""
    settle: Duration = timedelta(minutes=5)
    """Activity within this time after a completion does not start the process again."""
    clock_doubt: Annotated[Duration, Field(le=timedelta(hours=12))] = timedelta(hours=1)
    """How wrong producers' clocks may be: an event's time may be this much later than its Kafka record's."""
    hush: Duration = timedelta(minutes=15)
    """Request no reminder within this time after a user's latest record; at most the process's shortest step."""
    forget_after: Duration = timedelta(days=30)
    """After how long without activity a user is removed from memory; longer than the longest `remind_after`,
    `policy.expire_after` and `allowed_lateness` together."""
    bad_record_share: float = Field(default=0.5, gt=0, le=1)
    """Above this share of unreadable records a partition's watermark, the time up to which its events were read, stops
    until `lapse brake release`."""
    brake: BrakeSettings = BrakeSettings()
    """When lapses are held back, because missing input is more likely than silent users."""
