"""The section `detect`: when somebody has gone quiet, and when lapses are held back."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator

from consumer.config.types import Duration, Section, format_duration


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
            raise ValueError(f"mean_over must be at least six times window ({format_duration(6 * self.window)})")
        return self


class DetectSettings(Section):
    commit_interval: Duration = timedelta(seconds=1)
    allowed_lateness: Duration = timedelta(seconds=30)
    settle: Duration = timedelta(minutes=5)
    clock_doubt: Annotated[Duration, Field(le=timedelta(hours=12))] = timedelta(hours=1)
    """How wrong the clocks of producers may be: an event's time may lie so far after its record's."""
    hush: Duration = timedelta(minutes=15)
    """Nobody is asked so soon after their latest record; of a process at most its shortest rung."""
    forget_after: Duration = timedelta(days=30)
    bad_record_share: float = Field(default=0.5, gt=0, le=1)
    brake: BrakeSettings = BrakeSettings()
