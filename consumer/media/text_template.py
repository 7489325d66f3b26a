"""Fills a fallback's text and link for one person. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from consumer.config.sections.fallback import PLACEHOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackText:
    """The values to fill in for one reminder. `name` and `action` are parameters (`safe_parameter`): one line, no
    control characters."""

    reminder_id: str
    user_id: str
    process: str
    step: int
    lapsed_at: int
    name: str = field(repr=False)
    action: str
    email: str | None = field(default=None, repr=False)
    """An address that `normalize_email` returned; the checks ensure that it is set for an e-mail."""
    traceparent: str | None = None


def fill_text(template: str, letter: FallbackText, link: str | None = None) -> str:
    """Return the template with {name}, {action} and {link} filled in. Placeholders in the values stay as they are."""
    return _fill(template, {"name": letter.name, "action": letter.action, "link": link or ""})


def fill_link(link: str | None, letter: FallbackText) -> str | None:
    """Return the link with {process}, {user_id} and {reminder_id} filled in, percent-encoded; None without a link."""
    values = {"process": letter.process, "user_id": letter.user_id, "reminder_id": letter.reminder_id}
    return link and _fill(link, {name: quote(value, safe="", errors="replace") for name, value in values.items()})


def _fill(template: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)
