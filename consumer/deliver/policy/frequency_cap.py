"""How often somebody may be written to, whatever it is about. Pure."""

from collections.abc import Iterable, Mapping

from consumer.clock import Millis


def next_allowed(written: Iterable[Millis], caps: Mapping[Millis, int]) -> Millis:
    """The first moment at which one more message keeps every cap; 0 if nothing was written that matters.

    `caps` are the most messages in any span of so many milliseconds; `written` the moments of earlier ones.
    """
    latest = sorted(written, reverse=True)
    return max((latest[most - 1] + span for span, most in caps.items() if len(latest) >= most), default=0)
