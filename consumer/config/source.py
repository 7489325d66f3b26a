"""The section `source`: the activity topic, and where events of another schema have what Lapse needs."""

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from consumer.config.event_paths import PATHS, EventPath, Names, paths_problem
from consumer.config.types import Section


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
    records: Names = ()
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
        if self.paths and (problem := paths_problem(self.paths)):
            raise ValueError(problem)
        return self
