"""The section `source`: the activity topic, and where events of another schema have what Lapse needs."""

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from consumer.config.event_paths import PATHS, EventPath, Names, paths_problem
from consumer.config.types import Section


class SourceSettings(Section):
    topic: str = "user-activity"
    """The topic of user activity."""
    format: Literal["avro", "json"] = "avro"
    """How its values are written."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a first run begins: with the topic's history, or with what comes now."""
    user: EventPath | None = None
    """Who: a dotted path to text or a whole number. It and the next five are for events of another schema than ours."""
    time: EventPath | None = None
    """When: a timestamp, a number or ISO 8601 text."""
    process: EventPath | None = None
    """Which process, where events name it."""
    kind: EventPath | None = None
    """STARTED, PROGRESSED, COMPLETED or CANCELLED, where events say so."""
    action: EventPath | None = None
    """The words for {{2}}, where an event brings them."""
    event: EventPath | None = None
    """The event's name; `active_on`, `complete_on` and `cancel_on` of the processes say what it means."""
    time_unit: Literal["seconds", "millis", "micros", "nanos"] | None = None
    """The unit of times that are numbers and whose schema does not say it; unset, it is told by their size."""
    records: Names = ()
    """Names of the Avro records that are activities; unset, all of them are."""
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
        if self.paths and (problem := paths_problem(self.paths)):
            raise ValueError(problem)
        return self
