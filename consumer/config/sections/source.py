"""The section `source`: the activity topic, and where to find user, time and event in events of your own schema."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import permutations
from typing import Annotated, Literal

from pydantic import BeforeValidator, model_validator

from consumer.config.sections.event_paths import HEADER, RECORD, TIMESTAMP, EventPath, steps_in
from consumer.config.types import Duration, FilePath, Section, TopicName, Zone

PATHS = ("user", "time", "process", "kind", "action", "event")
"""The keys of `source` that are paths."""


def _names(given: object) -> object:
    if not isinstance(given, str):
        return given
    if "," in given:
        raise ValueError("is one text with a comma: write a list, [one, another] (also of one name that has a comma)")
    return (given,)


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
"""Names; a single one may be written without a list."""


def paths_problem(paths: Mapping[str, str]) -> str | None:
    """Return what is wrong with these paths (by their keys of `source`) and what to do; None if they are complete."""
    if not {"user", "time"} <= paths.keys():
        return (
            "events of your own schema need a user and a time: add user: … and time: …, each a dotted path"
            " (without any path, events are read by the schema user_activity.avsc)"
        )
    if "kind" in paths and "process" not in paths:
        return "kind does not say which process it is about: add process: …, the path of the process's name"
    if not {"process", "event"} & paths.keys():
        return (
            "nothing says what an event is about: add event: …, the path of its name (active_on and complete_on"
            " of the processes say what it means), or process: … and kind: …"
        )
    if not {"kind", "event"} & paths.keys():
        return (
            "nothing says what happened in the process: add kind: …, the path of STARTED, PROGRESSED, COMPLETED or"
            " CANCELLED, or event: …, the path of the event's name (and complete_on to the processes)"
        )
    if {"kind", "event"} <= paths.keys():
        return "kind and event both say what happened: remove one of them"
    return _misplaced(paths) or _overlap(paths)


def events_problem(paths: Mapping[str, str], process: str, active: Sequence[str], closing: Sequence[str]) -> str | None:
    """Return what is wrong with the event names of a process, given these paths; None if nothing is."""
    if "event" in paths:
        if active or "process" in paths:
            return None
        return (
            f"processes.{process} would never start: add active_on, the names of events (source.event) that show that a"
            " user works on it"
        )
    if not active and not closing:
        return None
    if "kind" in paths:
        return f"processes.{process} names events, but source.kind says what happened: replace it by source.event"
    return f"processes.{process} names events, but source.event, the path of an event's name, is not set"


def _misplaced(paths: Mapping[str, str]) -> str | None:
    for key, path in paths.items():
        if path == TIMESTAMP and key != "time":
            return f"{key} cannot be {TIMESTAMP}, which is a time"
        if path == RECORD and key not in ("event", "process"):
            return f"{key} cannot be {RECORD}, the name of a record's schema"
    return None


def _overlap(paths: Mapping[str, str]) -> str | None:
    for (one, path), (other, beside) in permutations(paths.items(), 2):
        if steps_in(beside)[: len(steps_in(path))] == steps_in(path):
            return f"{other} is the same path as {one}, or inside it: each needs its own path"
    return None


class SourceSettings(Section):
    topic: TopicName = "user-activity"
    """The topic of user activity."""
    format: Literal["avro", "json"] = "avro"
    """The format of its values."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where the first run begins: `earliest` reads the topic's history, `latest` only new events."""
    fetch: Literal["messages", "columns"] = "messages"
    """How detect takes records from Kafka's client: one by one, or with `columns` whole batches at a time in compiled
    code, which also updates their users' state. That is faster where it catches up. Columns need the extra `columns`
    (`pip install 'lapse[columns]'`), and read no headers."""
    backfill: Duration = timedelta(0)
    """How far back the first start looks: a reminder is requested for lapses of up to so long before it, such as 24h.
    Those before are only counted. A later start, and a rebuild, know when the first was."""
    user: EventPath | None = None
    """The path of the user's id: text, a whole number, a uuid, or a decimal of scale 0. This and the next five are for
    events of your own schema. A path is the names of nested fields, joined by dots: `context.user.id`. `items[0].id` is
    in the first element of an array, `params[key=plan].value` in the one whose `key` is `plan`. A path leads on through
    a text that holds JSON. `$key` is the record's key (read by its schema, where it has one), `$key.id` a field of it,
    `$header.NAME` a header, `$timestamp` the record's own time, `$record` the name of its Avro schema. A dot, a
    bracket, or a dollar sign at the start, that belongs to a name is written with a backslash."""
    time: EventPath | None = None
    """The path of the event's time: a timestamp, a number, or ISO 8601 text with a date and a time of day."""
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
    timezone: Zone | None = None
    """The time zone of times that have none: texts without an offset, Avro's local timestamps, Debezium's times of
    columns without a zone. Default: UTC; Avro's local timestamps are refused. Of an hour that the zone's clocks show
    twice the later one is meant, so that nobody is written to early."""
    records: Names = ()
    """The names of Avro records that are activities. Default: all."""
    schemas: tuple[FilePath, ...] = ()
    """Files with the writers' schemas, for values in Avro single-object encoding. Relative paths count from the
    folder of `lapse.yaml`."""

    @property
    def paths(self) -> dict[str, str]:
        """Return the paths that are set, by their keys; empty where events have Lapse's own schema."""
        return {key: path for key in PATHS if (path := getattr(self, key)) is not None}

    @model_validator(mode="after")
    def _paths_are_complete(self) -> "SourceSettings":
        if self.format == "json" and (self.schemas or self.records):
            raise ValueError("schemas and records are only for format: avro")
        if self.format == "json" and RECORD in self.paths.values():
            raise ValueError(f"{RECORD} is the name of an Avro record's schema: JSON has none")
        if self.time_unit and not self.paths:
            raise ValueError("time_unit is only for events of your own schema: add user, time and event")
        if self.fetch == "columns" and any(path.startswith(HEADER) for path in self.paths.values()):
            raise ValueError(f"fetch: columns cannot read headers, so no path may begin with {HEADER}: use messages")
        if self.paths and (problem := paths_problem(self.paths)):
            raise ValueError(problem)
        return self
