"""The section `source`: the activity topic, and where to find user, time and event in events of your own schema."""

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from consumer.config.event_paths import PATHS, EventPath, Names, paths_problem
from consumer.config.types import Section


class SourceSettings(Section):
    topic: str = "user-activity"
    """The topic of user activity."""
    format: Literal["avro", "json"] = "avro"
    """The format of its values."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where the first run begins: `earliest` reads the topic's history, `latest` only new events."""
    user: EventPath | None = None
    """The path of the user's id, text or a whole number. This and the next five are for events of your own schema: each
    is the names of nested fields, joined by dots."""
    time: EventPath | None = None
    """The path of the event's time: a timestamp, a number or ISO 8601 text."""
    process: EventPath | None = None
    """The path of the process's name, if events contain it."""
    kind: EventPath | None = None
    """The path of STARTED, PROGRESSED, COMPLETED or CANCELLED, if events contain it."""
    action: EventPath | None = None
    """The path of the text for {{2}}, if events contain it."""
    event: EventPath | None = None
    """The path of the event's name; `active_on`, `complete_on` and `cancel_on` of the processes say what it means."""
    time_unit: Literal["seconds", "millis", "micros", "nanos"] | None = None
    """The unit of numeric times whose schema does not state it. Default: guessed from their size."""
    records: Names = ()
    """The names of Avro records that are activities. Default: all."""
    schemas: tuple[Path, ...] = ()
    """Files with the writers' schemas, for values in Avro single-object encoding."""

    @property
    def paths(self) -> dict[str, str]:
        """Return the paths that are set, by their keys; empty where events have Lapse's own schema."""
        return {key: path for key in PATHS if (path := getattr(self, key)) is not None}

    @model_validator(mode="after")
    def _paths_are_complete(self) -> "SourceSettings":
        if self.format == "json" and (self.schemas or self.records):
            raise ValueError("schemas and records are only for format: avro")
        if self.time_unit and not self.paths:
            raise ValueError("time_unit is only for events of your own schema: add user, time and event")
        if self.paths and (problem := paths_problem(self.paths)):
            raise ValueError(problem)
        return self
