"""What the demo shows: a live picture on a terminal, lines of text elsewhere, and a summary at the end."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from consumer.clock import SECOND, Millis
from consumer.demo.people import masked
from consumer.demo.verdict import Evidence

Counts: TypeAlias = Mapping[tuple[str, str | None], int]
"""The number of reminders at each status, for each reason."""

_STATUSES = {
    "planned": ("about to be sent", "default"),
    "deferred": ("not now", "default"),
    "suppressed": ("never sent", "default"),
    "cancelled": ("came back in time", "default"),
    "sending": ("on its way to 1MSG", "default"),
    "accepted": ("1MSG has it", "default"),
    "unknown": ("perhaps sent", "yellow"),
    "unresolved": ("perhaps sent", "yellow"),
    "rejected": ("not sent", "red"),
    "sent": ("WhatsApp has it", "green"),
    "delivered": ("the phone has it", "green"),
    "read": ("the client read it", "green"),
    "failed": ("did not arrive", "red"),
}
"""Their meanings and colours, in the order in which a reminder comes to them."""
_NEW_STATUS = ("", "default")
_LINE_INTERVAL_MS: Millis = 2 * SECOND


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is shown at one moment; `taken` as `/_sandbox/messages` lists it, the newest message last.

    `sent` reminders have a message that 1MSG accepted; after a reported failure one may have several.
    """

    elapsed: Millis
    people: int
    activities: int
    reminders: Counts
    sent: int
    taken: Any

    def __str__(self) -> str:
        """Return the sums in one line."""
        lapses, accepted = sum(self.reminders.values()), self.taken["accepted"]
        sent = f"{self.sent} sent in {accepted} messages"
        sums = f"{self.people} people, {self.activities} activities, {lapses} lapses, {sent}"
        return f"{self.elapsed // SECOND:>3} s  {sums}"


def say(console: Console, text: str) -> None:
    """Print text as it is: not wrapped, not coloured, nothing in it taken for markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def screen(console: Console, title: str) -> Iterator[Callable[[Snapshot], None]]:
    """Yield what shows snapshots, as often as you like: a picture on a terminal, elsewhere a line every two seconds."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda now: live.update(picture(now, title, console.height), refresh=True)
    else:
        due = quoted = 0

        def show(now: Snapshot) -> None:
            nonlocal due, quoted
            if now.elapsed >= due:
                due = now.elapsed - now.elapsed % _LINE_INTERVAL_MS + _LINE_INTERVAL_MS
                say(console, line(now, quote=now.taken["accepted"] > quoted))
                quoted = now.taken["accepted"]

        yield show


def picture(now: Snapshot, title: str, height: int) -> RenderableType:
    """Return the live view, with as many of the newest messages as fit into `height` rows (at least one)."""
    statuses = Table.grid(padding=(0, 2))
    for count, status, told, colour in _status_rows(now.reminders):
        statuses.add_row(Text(count), Text(status), Text(told), style=colour)
    if not now.reminders:
        statuses.add_row(Text("nobody has been quiet for long enough yet", style="dim"))
    fitting = (height - statuses.row_count - 7) // 3  # at 80 columns a message has up to three rows
    shown = list(reversed(now.taken["messages"]))[: max(1, fitting)]
    messages = Text("\n").join(Text(*row) for message in shown for row in _message_rows(message))
    return Group(
        Panel(Group(Text(f"{now}\n", style="bold"), statuses), title=Text(title), title_align="left"),
        Panel(messages or Text("none yet", style="dim"), title="What clients read", title_align="left"),
    )


def line(now: Snapshot, *, quote: bool) -> str:
    """Return the same in short: the sums, where reminders stand and, with `quote`, the newest message."""
    statuses = ", ".join(f"{count} {status}" for status, count in _by_status(now.reminders))
    quoted = now.taken["messages"][-1:] if quote else []
    rows = (": ".join(text for text, _ in _message_rows(message)) for message in quoted)
    return "\n       ".join((f"{now}: {statuses}" if statuses else str(now), *rows))


def summary(last: Snapshot, seen: Evidence, first_message: Millis | None, problems: Sequence[str]) -> str:
    """Return what is said at the end. `first_message`: that long after the start, if there was one."""
    named = len(seen.named_ids & seen.taken_ids)
    lines = [
        f"{last}. Where reminders stand:",
        *(f"{n}  {s:<10}  {told}" for n, s, told, _ in _status_rows(last.reminders)),
    ]
    lines += [f"Messages taken by 1MSG (the sandbox): {seen.taken['accepted']}; named in delivery-status: {named}"]
    lines += [f"Records read from delivery-status: {seen.read.records}"]
    if first_message is not None:
        lines += [f"The first message was taken {first_message / SECOND:.1f} s after the start"]
    if problems:
        return "\n".join([*lines, "", "The demo did not show what it should:", *(f"  - {each}" for each in problems)])
    well = "Reminders went out, their statuses were read back, none was sent twice, none to a wrong number."
    return "\n".join([*lines, "", well])


def _by_status(reminders: Counts) -> list[tuple[str, int]]:
    """Return the count of each status, in the order of a reminder's life; a status that is new here comes last."""
    found: Counter[str] = Counter()
    for (status, _), count in reminders.items():
        found[status] += count
    order = [*_STATUSES, *sorted(found)]
    return sorted(found.items(), key=lambda item: order.index(item[0]))


def _status_rows(reminders: Counts) -> list[tuple[str, str, str, str]]:
    """Return a row for each status: its count, its name, the reasons (or what it means, if it has none), its colour."""
    rows = []
    for status, count in _by_status(reminders):
        meaning, colour = _STATUSES.get(status, _NEW_STATUS)
        reasons = Counter({reason: n for (each, reason), n in reminders.items() if each == status and reason})
        told = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()) or meaning
        rows.append((f"{count:>5}", status, told, colour))
    return rows


def _message_rows(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a message as its client would read it, its phone masked."""
    status = message["status"]
    return [(f"{masked(message['phone'])}  {status}", _STATUSES.get(status, _NEW_STATUS)[1]), (message["text"], "")]
