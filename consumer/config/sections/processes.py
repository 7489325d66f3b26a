"""The section `processes`: what a user can leave unfinished, and how long after their last activity to remind them."""

from datetime import timedelta
from itertools import combinations
from typing import Annotated

from pydantic import Field, model_validator

from consumer.config.sections.policy import SendWindowSettings
from consumer.config.sections.source import Names
from consumer.config.sections.template import Action, TemplateOverride
from consumer.config.types import Duration, Section


class ProcessSettings(Section):
    action: Action
    """The text for {{2}}, what is unfinished: one text, or one for each language (`default` for all others)."""
    remind_after: tuple[Duration, ...] = Field(min_length=1, max_length=100)
    """The steps: how long after the user's last activity to remind; each step is sent once."""
    value: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """What a completion is worth, in the currency of `prices`, for `lapse report`."""
    template: TemplateOverride = TemplateOverride()
    """Keys of `onemsg.template` that differ for this process."""
    send_window: SendWindowSettings | None = None
    """When users of this process may get messages. Default: `policy.send_window`."""
    active_on: Names = ()
    """Names of events (`source.event`) that show that a user works on it."""
    complete_on: Names = ()
    """Names of events that complete the process."""
    cancel_on: Names = ()
    """Names of events that cancel the process."""

    @model_validator(mode="after")
    def _events_are_distinct(self) -> "ProcessSettings":
        for one, other in combinations(("active_on", "complete_on", "cancel_on"), 2):
            if set(getattr(self, one)) & set(getattr(self, other)):
                raise ValueError(f"{one} and {other} name the same event: remove it from one of them")
        return self

    @model_validator(mode="after")
    def _steps_increase(self) -> "ProcessSettings":
        if any(span <= timedelta(0) for span in self.remind_after):
            raise ValueError("remind_after must be longer than 0s")
        if any(b <= a for a, b in zip(self.remind_after, self.remind_after[1:], strict=False)):
            raise ValueError("remind_after must increase: each step is counted from the user's last activity")
        return self
