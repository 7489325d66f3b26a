"""What the demo shows: a live picture on a terminal, lines of text elsewhere, and a summary at the end."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from consumer.clock import SECOND, Millis
from consumer.demo.people import masked
from consumer.demo.verdict import Evidence

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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is shown at one moment: `funnel` as the console's `/api/funnel` tells it, and `taken` as 1MSG's
    `/_sandbox/messages` does, the newest message last."""

    elapsed: Millis
    people: int
    activities: int
    funnel: Any
    taken: Any

    def __str__(self) -> str:
        """Return the sums in one line."""
        lapses, sent = (sum(step[stage] for step in self.funnel["steps"]) for stage in ("requested", "sent"))
        people = f"{self.people} people, {self.activities} activities"
        return f"{self.elapsed // SECOND:>3} s  {people}, {lapses} lapses, {sent} sent"


def say(console: Console, text: str) -> None:
    """Print text as it is: not wrapped, not coloured, nothing in it taken for markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def screen(console: Console, title: str) -> Iterator[Callable[[Snapshot], None]]:
    """Yield what shows a snapshot: a picture on a terminal, lines elsewhere."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda now: live.update(picture(now, title, console.height), refresh=True)
    else:
        yield lambda now: say(console, lines(now))


def picture(now: Snapshot, title: str, height: int) -> RenderableType:
    """Return the live view, with as many of the newest messages as fit into `height` rows (at least one)."""
    statuses = Table.grid(padding=(0, 2))
    for count, status, told, colour in _status_rows(now):
        statuses.add_row(Text(f"{count:>5}"), Text(status), Text(told), style=colour)
    if not statuses.row_count:
        statuses.add_row(Text("nobody has been quiet for long enough yet", style="dim"))
    fitting = (height - statuses.row_count - 7) // 3  # at 80 columns a message has up to three rows
    shown = list(reversed(now.taken["messages"]))[: max(1, fitting)]
    messages = Text("\n").join(
        row for each in shown for row in (Text(_head(each), style=_STATUSES[each["status"]][1]), Text(each["text"]))
    )
    return Group(
        Panel(Group(Text(f"{now}\n", style="bold"), statuses), title=Text(title), title_align="left"),
        Panel(messages or Text("none yet", style="dim"), title="What clients read", title_align="left"),
    )


def lines(now: Snapshot) -> str:
    """Return the same in short: the sums, where reminders stand, and the newest message."""
    statuses = ", ".join(f"{count} {status}" for count, status, *_ in _status_rows(now))
    newest = (f"       {_head(message)}: {message['text']}" for message in now.taken["messages"][-1:])
    return "\n".join((f"{now}: {statuses}" if statuses else str(now), *newest))


def summary(last: Snapshot, seen: Evidence, first_message: Millis | None, problems: Sequence[str]) -> str:
    """Return what is said at the end. `first_message`: that long after the start, if there was one."""
    said = [f"{last}. Where reminders stand:"]
    said += [f"{count:>5}  {status:<10}  {told}" for count, status, told, _ in _status_rows(last)]
    read = f"named in the {len(seen.records)} records of delivery-status: {len(seen.named_ids)}"
    said += [f"Messages taken by 1MSG (the sandbox): {seen.taken['accepted']}; {read}"]
    if first_message is not None:
        said += [f"The first message was taken {first_message / SECOND:.1f} s after the start"]
    if problems:
        return "\n".join([*said, "", "The demo did not show what it should:", *(f"  - {each}" for each in problems)])
    well = "Reminders went out, their statuses were read back, none was sent twice, none to a wrong number."
    return "\n".join([*said, "", well])


def _status_rows(now: Snapshot) -> Iterator[tuple[int, str, str, str]]:
    """Yield of each status its count, its name, the reasons (or what it means, if it has none) and its colour.

    They come in the order of a reminder's life, and last a status that is new here.
    """
    counts: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    for row in now.funnel["statuses"]:
        counts[row["status"]][row["reason"]] += row["count"]
    for status in sorted(counts, key=[*_STATUSES, *counts].index):
        meaning, colour = _STATUSES.get(status, ("", "default"))
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts[status].most_common() if reason)
        yield counts[status].total(), status, reasons or meaning, colour


def _head(message: Mapping[str, Any]) -> str:
    """Return what stands above a message: its phone, masked, and its status."""
    return f"{masked(message['phone'])}  {message['status']}"
