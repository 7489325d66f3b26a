"""The section `processes`: what a user can leave unfinished, and after what silence to remind of it."""

from datetime import timedelta
from itertools import combinations

from pydantic import Field, model_validator

from consumer.config.event_paths import Names
from consumer.config.policy import SendWindowSettings
from consumer.config.template import Action, TemplateOverride
from consumer.config.types import Duration, Section


class ProcessSettings(Section):
    action: Action
    """The words for what is unfinished, {{2}}: one text, or texts by language (`default` for all others)."""
    remind_after: tuple[Duration, ...] = Field(min_length=1, max_length=100)
    """Steps: how long after the user was last seen to remind; each step is sent once."""
    template: TemplateOverride = TemplateOverride()
    """What this process has instead of `onemsg.template`."""
    send_window: SendWindowSettings | None = None
    """When users of this process may be written to; `policy.send_window` unless set."""
    active_on: Names = ()
    """Names of events (`source.event`) that show a user at work on it."""
    complete_on: Names = ()
    """Names of events after which the user is done."""
    cancel_on: Names = ()
    """Names of events after which nothing is left to be done."""

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
