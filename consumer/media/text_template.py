"""A fallback's own text template, filled for one person. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from consumer.config.fallback import PLACEHOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackText:
    """What there is to say, and about what. `name` and `action` are safe to stand on one line (`safe_parameter`)."""

    reminder_id: str
    user_id: str
    process: str
    step: int
    lapsed_at: int
    name: str = field(repr=False)
    action: str
    email: str | None = field(default=None, repr=False)
    """An address that `mail_address` has made; where it is needed the checks have seen to it."""


def fill_text(template: str, letter: FallbackText, link: str | None = None) -> str:
    """The template with {name}, {action} and {link}. What is filled in is not looked at again."""
    return _fill(template, {"name": letter.name, "action": letter.action, "link": link or ""})


def fill_link(link: str | None, letter: FallbackText) -> str | None:
    """The link with {process}, {user_id} and {reminder_id}, none of which can leave its place there."""
    said = {"process": letter.process, "user_id": letter.user_id, "reminder_id": letter.reminder_id}
    return link and _fill(link, {name: quote(value, safe="", errors="replace") for name, value in said.items()})


def _fill(template: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)
