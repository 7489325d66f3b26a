"""What a process's reminders say, and how far apart they must be: a view of the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass

from consumer.clock import Millis
from consumer.config import Process, SendWindow, Template, millis
from consumer.send_window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One process, as deliver needs it. `action` is what the template says where the activity said nothing."""

    template: str
    namespace: str
    language: str
    action: str
    shortest_rung: Millis
    window: Window | None = None
    """When it may be sent; any time unless set."""


def plans(
    processes: Mapping[str, Process], template: Template, send_window: SendWindow | None = None
) -> dict[str, Plan]:
    """The plan of each configured process; `template` and `send_window` where it chooses none of its own."""
    return {name: _plan(process, template, send_window) for name, process in processes.items()}


def _plan(process: Process, template: Template, send_window: SendWindow | None) -> Plan:
    chosen, spans = process.template, [millis(span) for span in process.remind_after]
    gaps = [later - earlier for earlier, later in zip([0, *spans], spans, strict=False)]
    opened = process.send_window or send_window
    return Plan(
        template=chosen.name or template.name,
        namespace=chosen.namespace or template.namespace,
        language=chosen.language or template.language,
        action=process.action,
        shortest_rung=min(gaps),
        window=None if opened is None else opened.window,
    )
