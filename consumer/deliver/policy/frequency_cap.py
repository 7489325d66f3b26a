"""How often one person may be written to, whatever the process. Pure."""

from collections.abc import Iterable, Mapping

from consumer.clock import Millis


def next_allowed(sent_at: Iterable[Millis], caps: Mapping[Millis, int]) -> Millis:
    """Return the first moment at which one more message keeps every cap; 0 if it may be sent at once.

    `caps` maps a span in milliseconds to the most messages in it; `sent_at` are the moments of earlier messages.
    """
    latest = sorted(sent_at, reverse=True)
    return max((latest[limit - 1] + span for span, limit in caps.items() if len(latest) >= limit), default=0)
