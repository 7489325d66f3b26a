"""What the demo shows: a picture drawn from a frozen snapshot, or a line of text where there is no terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from consumer.clock import SECOND, Millis
from consumer.demo.tally import Counts

_ORDER = (
    "deferred",
    "suppressed",
    "cancelled",
    "accepted",
    "unknown",
    "unresolved",
    "rejected",
    "sent",
    "delivered",
    "read",
    "failed",
)
_STYLES = {
    "read": "green",
    "delivered": "green",
    "sent": "green",
    "failed": "red",
    "rejected": "red",
    "unknown": "yellow",
}
_MEANINGS = {
    "deferred": "not now",
    "suppressed": "never sent",
    "cancelled": "came back in time",
    "accepted": "1MSG has it",
    "unknown": "perhaps sent",
    "unresolved": "perhaps sent",
    "rejected": "not sent",
    "sent": "WhatsApp has it",
    "delivered": "the phone has it",
    "read": "the client read it",
    "failed": "did not arrive",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as its client would read it. `phone` is masked already."""

    phone: str
    text: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to look. `web` is empty until the service is ready."""

    web: str
    sandbox: str
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that is shown, at one moment. `accepted` counts the messages that the sandbox took; the newest come last."""

    elapsed: Millis
    people: int
    activities: int
    counts: Counts
    accepted: int
    messages: Sequence[Message]
    places: Places


def picture(now: Snapshot) -> RenderableType:
    """The live view."""
    columns = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for heading in ("heard", "where reminders stand", "never sent, because"):
        columns.add_column(heading)
    columns.add_row(_totals(now), _statuses(now.counts), _reasons(now.counts))
    return Group(
        _places(now.places),  # first: a low terminal cuts off what is below
        Panel(columns, title=f"Lapse, for {now.elapsed // SECOND} s", title_align="left"),
        Panel(_messages(now.messages), title="What clients read", title_align="left"),
    )


def line(now: Snapshot) -> str:
    """The same in short, without a terminal."""
    told = ", ".join(f"{count} {status}" for status, count in sorted_statuses(now.counts.statuses)) or "nothing yet"
    reasons = ", ".join(f"{count} {reason}" for reason, count in _not_sent(now.counts))
    return (
        f"{now.elapsed // SECOND:>3} s  {now.people} people, {now.activities} activities,"
        f" {now.counts.lapses} lapses: {told}" + (f" (not sent: {reasons})" if reasons else "")
    )


def quote(message: Message) -> str:
    """One message as a line of text."""
    return f"{message.phone}  {message.text}  ({message.status})"


def _totals(now: Snapshot) -> Table:
    table = _grid()
    for count, what in (
        (now.people, "people"),
        (now.activities, "activities"),
        (now.counts.lapses, "lapses"),
        (now.accepted, "messages sent"),
    ):
        table.add_row(f"[bold]{count}[/]", what)
    return table


def _statuses(counts: Counts) -> Table:
    table = _grid()
    table.add_column()
    table.add_column(no_wrap=True)
    for status, count in sorted_statuses(counts.statuses):
        style = _STYLES.get(status, "default")
        table.add_row(f"[bold {style}]{count}[/]", status, f"[dim]{_MEANINGS.get(status, '')}[/]")
    if not counts.statuses:
        table.add_row("", "[dim]nobody has been quiet for long enough yet[/]", "")
    return table


def _reasons(counts: Counts) -> Table:
    table = _grid()
    for reason, count in _not_sent(counts):
        table.add_row(f"[bold]{count}[/]", reason)
    return table


def _not_sent(counts: Counts) -> list[tuple[str, int]]:
    """Why reminders were suppressed, the most frequent reason first."""
    found = [(reason, count) for (status, reason), count in counts.reasons.items() if status == "suppressed"]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def sorted_statuses(statuses: Mapping[str, int]) -> list[tuple[str, int]]:
    """In the order in which a reminder comes to them; a status that is new to us comes last."""
    return sorted(statuses.items(), key=lambda item: (_ORDER.index(item[0]) if item[0] in _ORDER else 99, item[0]))


def _messages(messages: Sequence[Message]) -> RenderableType:
    if not messages:
        return Text("none yet", style="dim")
    table = Table.grid(padding=(0, 2))
    for message in reversed(messages):
        style = _STYLES.get(message.status, "default")
        table.add_row(Text(message.phone, no_wrap=True), Text(message.text), Text(message.status, style=style))
    return table


def _places(places: Places) -> Text:
    web = f"{places.web}/metrics" if places.web else "(starting)"
    return Text(f"metrics {web}\nsandbox {places.sandbox}\nlog     {places.log}", style="dim", overflow="fold")


def _grid() -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right")
    return table
