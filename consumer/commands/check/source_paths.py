"""The check of the paths of `source`: where the newest events hold each field, and how many of them do."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import chain

from consumer.activity.event_values import value_at
from consumer.activity.field_paths import NATIVE
from consumer.activity.whole_events import Event, leaves
from consumer.commands.terminal.output import CheckResult
from consumer.config.errors import closest
from consumer.config.sections.event_paths import HEADER, KEY, RECORD, TIMESTAMP, steps_in, written
from consumer.config.sections.source import SourceSettings

_LIKENESS = 0.5
_AROUND = (KEY, HEADER, TIMESTAMP, RECORD)
_NATIVE_KEYS = {"user_id": "user_id", "process": "process", "kind": "kind", "occurred_at": "occurred_at"}


def check_paths(source: SourceSettings, events: Sequence[Event]) -> Iterator[CheckResult]:
    """Check that every configured path matches something. A path is named as it was configured."""
    if not events:
        return
    wanted = {key: steps_in(path) for key, path in source.paths.items()}
    if not wanted:
        wanted = {f"(none set, so user_activity.avsc) {name}": NATIVE.paths[name] for name in _NATIVE_KEYS}
    found = {key: sum(value_at(event, path) is not None for event in events) for key, path in wanted.items()}
    fields = ({key: part for key, part in event.items() if key not in _AROUND} for event in events)
    seen = Counter(chain.from_iterable({written(path) for path, _ in leaves(event)} for event in fields))
    for key, count in found.items():
        if not count:
            path = written(wanted[key])
            yield CheckResult(
                False,
                f"source.{key}: {path}" if source.paths else f"source: {path}",
                f"is in none of the newest {len(events):,} events; {_hint(path, seen)}",
                {"path": path, "share": 0.0},
            )
    if there := {key: count / len(events) for key, count in found.items() if count}:
        shares = ", ".join(f"{written(wanted[key])} in {_percent(share)}" for key, share in there.items())
        yield CheckResult(
            True, f"paths of source: {shares} of the newest {len(events):,} events", "", {"shares": there}
        )


def nearest(word: str, known: Collection[str]) -> str | None:
    """Return the word that is most like this one, in whatever case; None if none is like it."""
    folded = {other.casefold(): other for other in known}
    found = closest(word.casefold(), list(folded), _LIKENESS)
    return None if found is None else folded[found]


def _hint(path: str, seen: Counter[str]) -> str:
    meant = nearest(path, seen)
    if meant is None:
        there = ", ".join(name for name, _ in seen.most_common(8))
        return f"they have: {there}. `lapse init` proposes paths"
    return f"did you mean {meant} (in {seen[meant]:,} of them)?"


def _percent(share: float) -> str:
    return "all" if share == 1 else f"{100 * share:.1f}%" if share < 0.995 else "over 99%"
