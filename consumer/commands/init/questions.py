"""Finds out what the topic cannot tell: from flags, or by asking whoever sits at the terminal."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import typer
from pydantic import TypeAdapter, ValidationError

from consumer.commands.check.source_paths import nearest
from consumer.commands.init.config_text import ProcessAnswer
from consumer.commands.init.proposals import Candidate
from consumer.commands.terminal.output import print_line, printable
from consumer.config.types import Duration

_SHOWN = 40
_COMPLETES = re.compile(
    r"(complet|paid|payed|purchas|finish|done|success|confirmed|submitted|signed|placed|converted)", re.IGNORECASE
)
_CANCELS = re.compile(r"(cancel|abort|delet|remov|withdraw|reject|expired|closed)", re.IGNORECASE)
_SPAN: TypeAdapter[object] = TypeAdapter(Duration)
_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class ProcessFlags:
    """What was given for each process by its name: `--start checkout=cart.updated,cart.viewed`."""

    start: Mapping[str, Sequence[str]] = field(default_factory=dict)
    complete: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cancel: Mapping[str, Sequence[str]] = field(default_factory=dict)
    action: Mapping[str, Sequence[str]] = field(default_factory=dict)
    after: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Return the processes in the order in which they were named."""
        return list(dict.fromkeys([*self.start, *self.complete, *self.cancel, *self.action, *self.after]))


def parse_flag(option: str, given: Sequence[str], *, several: bool = True) -> dict[str, list[str]]:
    """Return values by process from `NAME=value,value`. Raises typer.BadParameter."""
    found: dict[str, list[str]] = {}
    for text in given:
        name, equals, values = text.partition("=")
        if not equals or not name.strip() or not values.strip():
            raise typer.BadParameter("write PROCESS=VALUE, such as checkout=cart.updated", param_hint=option)
        parts = [part.strip() for part in values.split(",")] if several else [values.strip()]
        found.setdefault(name.strip(), []).extend(part for part in parts if part)
    return found


def from_flags(flags: ProcessFlags, events: Counter[str] | None) -> list[ProcessAnswer]:
    """Return the processes that the flags describe; `events` are the names seen, None where events name no event.

    Raises typer.BadParameter for names that were not seen, processes that nothing starts, and spans that are none.
    """
    if not flags.names:
        what = "--start PROCESS=EVENT,… (and --complete)" if events is not None else "--after PROCESS=24h"
        raise typer.BadParameter(f"say what can be left unfinished: {what}")
    answers = []
    for name in flags.names:
        start, complete, cancel = flags.start.get(name, ()), flags.complete.get(name, ()), flags.cancel.get(name, ())
        if events is not None and not start:
            raise typer.BadParameter(f"nothing starts {name}: add --start {name}=EVENT", param_hint="--start")
        for option, names in (("--start", start), ("--complete", complete), ("--cancel", cancel)):
            _refuse_unseen(option, names, events)
        after = flags.after.get(name, ["24h"])
        if wrong := next((span for span in after if not _is_span(span)), None):
            raise typer.BadParameter(f"{wrong} is no time span: write 90s, 15m, 24h or 7d", param_hint="--after")
        action = next(iter(flags.action.get(name, ())), default_action(name))
        answers.append(ProcessAnswer(name, action, after, start, complete, cancel))
    return answers


def ask_path(what: str, candidates: Sequence[Candidate]) -> str:
    """Ask which path is meant; the first candidate is proposed."""
    for number, each in enumerate(candidates, 1):
        print_line(f"  {number}. {each.path}  in {100 * each.share:.0f}% of the events, such as {each.example}")
    if not candidates:
        print_line("  nothing in the events looks like it")
    default = "1" if candidates else None
    answer = str(typer.prompt(f"Path of {what} (a number, or a path of names joined by dots)", default=default))
    return candidates[int(answer) - 1].path if answer.isdigit() and 0 < int(answer) <= len(candidates) else answer


def ask_processes(events: Counter[str] | None, processes: Counter[str]) -> list[ProcessAnswer]:
    """Ask for processes until there are no more; `processes` are the names that events have for them, if they do."""
    return _ask_mapped(events) if events is not None else _ask_native(processes)


def show_counts(names: Counter[str]) -> list[str]:
    """Print the names with their counts and a number each; return them in that order."""
    ordered = [name for name, _ in names.most_common()]
    for number, name in enumerate(ordered[:_SHOWN], 1):
        print_line(f"  {number:2}. {name}  {names[name]:,}")
    if len(ordered) > _SHOWN:
        print_line(f"      and {len(ordered) - _SHOWN} more")
    return ordered


def default_action(process: str) -> str:
    """Return words for what is unfinished, to be changed by whoever knows better."""
    return f"your {process.replace('-', ' ').replace('_', ' ')}"


def _ask_mapped(events: Counter[str]) -> list[ProcessAnswer]:
    answers: list[ProcessAnswer] = []
    ordered = show_counts(events)
    while not answers or typer.confirm("Another process?", default=False):
        start = _ask_events("Which events show that somebody works on it?", ordered, ())
        stem = _stem(start[0]) if start else ""
        alike = [name for name in ordered if name not in start]
        complete = _ask_events("Which complete it?", ordered, [name for name in alike if _COMPLETES.search(name)])
        left = [name for name in alike if name not in complete]
        cancel = _ask_events("Which cancel it?", ordered, [name for name in left if _CANCELS.search(name)])
        name = _ask_name(stem)
        answers.append(ProcessAnswer(name, *_ask_words(name), start, complete, cancel))
    return answers


def _ask_native(processes: Counter[str]) -> list[ProcessAnswer]:
    ordered = show_counts(processes)
    wanted = _ask_events("Which of these processes?", ordered, ordered[:1])
    return [ProcessAnswer(name, *_ask_words(name)) for name in wanted]


def _ask_words(name: str) -> tuple[str, list[str]]:
    question = f"What is unfinished, in words for the person: {{{{2}}}} for {name}"
    action = str(typer.prompt(printable(question), default=printable(default_action(name))))
    while True:
        spans = _split(str(typer.prompt("Remind after how long without activity (several: 24h, 72h)", default="24h")))
        if spans and all(map(_is_span, spans)):
            return action, spans
        print_line("  Write time spans such as 90s, 15m, 24h or 7d.")


def _ask_name(stem: str) -> str:
    return str(typer.prompt("A name for this process", default=stem or None))


def _ask_events(question: str, ordered: Sequence[str], proposed: Sequence[str]) -> list[str]:
    """Ask for names by number or by name; "-" is none."""
    default = ", ".join(str(ordered.index(name) + 1) for name in proposed) or "-"
    while True:
        answer = _split(str(typer.prompt(f"{question} (numbers or names, - for none)", default=default)))
        numbered = {str(number): name for number, name in enumerate(ordered, 1)}
        names = [numbered.get(each, each) for each in answer]
        unknown = [name for name in names if name not in ordered and name != "-"]
        if not unknown:
            return [name for name in names if name != "-"]
        print_line(f"  {unknown[0]} was not seen{_did_you_mean(unknown[0], ordered)}")


def _refuse_unseen(option: str, names: Sequence[str], events: Counter[str] | None) -> None:
    for name in names if events is not None else ():
        if events is not None and name not in events:
            raise typer.BadParameter(f"{name} was not seen{_did_you_mean(name, list(events))}", param_hint=option)


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    meant = nearest(name, known)
    return printable(f": did you mean {meant}?" if meant else f" among {', '.join(known[:10])}")


def _stem(event: str) -> str:
    first = re.split(r"[._:/ -]", re.sub(r"(?<=[a-z])(?=[A-Z])", "-", event))[0]
    return _NAME.sub("-", first.lower()).strip("-")


def _split(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]


def _is_span(text: str) -> bool:
    try:
        _SPAN.validate_python(text)
    except ValidationError:
        return False
    return True
