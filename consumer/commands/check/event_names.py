"""The check of names: what the events call processes, events and kinds, against what `processes` is configured with.

An event whose name is misspelt in the configuration counts for nothing: people who have paid would be reminded to pay.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from consumer.activity.event_values import value_at
from consumer.activity.field_paths import NATIVE
from consumer.activity.whole_events import Event
from consumer.commands.check.source_paths import nearest
from consumer.commands.terminal.output import CheckResult
from consumer.config.sections.event_paths import steps_in
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.source import SourceSettings
from consumer.records import ActivityKind

_SHOWN = 12
_MEANS = {"active_on": "goes on with", "complete_on": "completes", "cancel_on": "cancels"}


@dataclass(slots=True)
class NamesSeen:
    """How often each name was seen, in so many events."""

    total: int = 0
    events: Counter[str] = field(default_factory=Counter)
    processes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, source: SourceSettings, events: Iterable[Event]) -> "NamesSeen":
        """Count more events; return itself."""
        paths = {key: steps_in(path) for key, path in source.paths.items()} or NATIVE.paths
        counters = {"event": self.events, "process": self.processes, "kind": self.kinds}
        wanted = [(paths[name], counter) for name, counter in counters.items() if name in paths]
        for event in events:
            self.total += 1
            for path, counter in wanted:
                if isinstance(name := value_at(event, path), str | int):
                    counter[str(name)] += 1
        return self


def never_seen(source: SourceSettings, processes: Mapping[str, ProcessSettings], seen: NamesSeen) -> list[str]:
    """Return the configured names that are not among those seen."""
    named = {name for process in processes.values() for _, names in _configured(process) for name in names}
    missing = [name for name in named if name not in seen.events] if "event" in source.paths else []
    return missing + [name for name in processes if _by_process(source) and name not in seen.processes]


def check_names(
    source: SourceSettings, processes: Mapping[str, ProcessSettings], seen: NamesSeen
) -> Iterator[CheckResult]:
    """Check that every configured name was seen; list those seen that nothing uses."""
    if not seen.total:
        return
    if _by_process(source):
        for name in processes:
            yield from _if_missing(f"processes.{name}", name, seen.processes, seen.total)
        yield _listed("processes", seen.processes, dict.fromkeys(processes, "configured"))
    if "event" in source.paths:
        yield from _events(processes, seen)
    else:
        yield from _kinds(seen.kinds)


def _events(processes: Mapping[str, ProcessSettings], seen: NamesSeen) -> Iterator[CheckResult]:
    used: dict[str, list[str]] = {}
    for name, process in processes.items():
        for key, events in _configured(process):
            for event in events:
                used.setdefault(event, []).append(f"{_MEANS[key]} {name}")
                yield from _if_missing(f"processes.{name}.{key}", event, seen.events, seen.total)
        if not process.complete_on and not process.cancel_on:
            yield CheckResult(
                True,
                f"processes.{name}: no event completes or cancels it",
                "whoever has finished is reminded too, unless complete_on says which event shows it",
            )
    yield _listed("events", seen.events, {event: " and ".join(what) for event, what in used.items()})


def _kinds(kinds: Counter[str]) -> Iterator[CheckResult]:
    strange = {kind: n for kind, n in kinds.items() if kind.upper() not in ActivityKind.__members__}
    if strange:
        yield CheckResult(
            False,
            f"kinds: {_counted(strange)} {'is' if len(strange) == 1 else 'are'} not known",
            "it counts as activity, so it ends nothing: the kinds are STARTED, PROGRESSED, COMPLETED and CANCELLED;"
            " with names of your own set source.event instead of source.kind",
            {"unknown": strange},
        )
    known = {kind: n for kind, n in kinds.items() if kind not in strange}
    if known:
        yield CheckResult(True, f"kinds: {_counted(known)}", "", {"seen": known})


def _if_missing(key: str, name: str, seen: Counter[str], total: int) -> Iterator[CheckResult]:
    if name in seen:
        return
    meant = nearest(name, seen)
    hint = f"did you mean {meant} ({seen[meant]:,} times)?" if meant else "is it spelt as the events have it?"
    figures = {"name": name, "nearest": meant, "looked_at": total}
    yield CheckResult(False, f"{key}: {name} was never seen in {total:,} events", hint, figures)


def _listed(what: str, seen: Counter[str], used: Mapping[str, str]) -> CheckResult:
    heard = [f"{name} {seen[name]:,} ({means})" for name, means in used.items() if name in seen]
    unused = {name: n for name, n in seen.most_common() if name not in used}
    parts = [", ".join(heard) or "none that is configured"]
    parts += [f"used by nothing: {_counted(unused)}"] if unused else []
    return CheckResult(True, f"{what} seen: {'; '.join(parts)}", "", {"seen": dict(seen), "unused": unused})


def _counted(names: Mapping[str, int]) -> str:
    shown = [f"{name} {count:,}" for name, count in list(names.items())[:_SHOWN]]
    return ", ".join(shown + ([f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []))


def _configured(process: ProcessSettings) -> Iterator[tuple[str, Collection[str]]]:
    for key in _MEANS:
        yield key, getattr(process, key)


def _by_process(source: SourceSettings) -> bool:
    return not source.paths or "process" in source.paths
