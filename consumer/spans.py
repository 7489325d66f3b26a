"""What is told to distributed tracing: one span for each lapse, attempt and status of a reminder.

A span is recorded once it is over, in one call that neither waits nor raises. Nothing personal is among its attributes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from consumer.clock import Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSpan:
    """Something that was done for a reminder; `traceparent` is the context that it belongs to, if there is one."""

    name: str
    traceparent: str | None
    start: Millis
    end: Millis
    attributes: Mapping[str, str | int | bool | None] = field(default_factory=dict)


SpanRecorder: TypeAlias = Callable[[TraceSpan], None]
