"""Fills the templates. All values are escaped, and characters that cannot be seen are named."""

import hashlib
import unicodedata
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import Response

from consumer.clock import SECOND, YEAR_10000, Millis
from consumer.config.types import format_millis
from consumer.insight.explanation import clock_of
from consumer.insight.story import span
from consumer.reasons.catalogue import explain

STATIC = {"console.css": "text/css", "console.js": "text/javascript", "htmx.min.js": "text/javascript"}
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer, browsers hide from us where a form comes from
    "cache-control": "no-store",
}
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Categories of Unicode: control, format (direction marks among them), surrogates, private use, separators."""
_EPOCH = date(1970, 1, 1)
_STATUSES = ("deferred", "suppressed", "cancelled", "unknown", "unresolved", "rejected", "failed", "accepted")


def static_file(name: str) -> bytes:
    """Return a file of `static/`."""
    return (files(__package__) / "static" / name).read_bytes()


class Renderer:
    """The templates with their filters."""

    def __init__(self) -> None:
        self._environment = environment = Environment(
            loader=PackageLoader("consumer.web.console"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=shown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {
            "when": when,
            "local": local,
            "span": span,
            "share": share,
            "date": date_and_year,
            "duration": format_millis,
            "day": day_name,
            "meaning": meaning,
            "query": query,
            "code": code,
        }
        environment.globals |= {
            name.replace(".", "_"): f"/static/{name}?{hashlib.sha256(static_file(name)).hexdigest()[:12]}"
            for name in STATIC
        }

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a whole page."""
        text = self._environment.get_template(template).render(**values)
        return Response(text, status, headers=HEADERS, media_type="text/html")


def shown(value: object) -> object:
    """Return a value as a page shows it: None as nothing, numbers with commas, invisible characters by their names."""
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup):
        return show_invisible(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value


def show_invisible(text: str) -> str:
    """Return the text with its invisible characters named: direction marks make a line read as another."""
    if text.isprintable():  # as nearly all are, and it is fast
        return text
    return "".join(f"⟨U+{ord(c):04X}⟩" if unicodedata.category(c) in _INVISIBLE else c for c in text)


def when(at: Millis | None) -> Markup:
    """Return a moment, UTC."""
    if at is None:
        return Markup("")
    if not 0 <= at < YEAR_10000:
        return Markup("{} ms since 1970").format(at)
    moment = datetime.fromtimestamp(at / SECOND, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"), moment.strftime("%d %b %H:%M:%S")
    )


def local(at: Millis, zone: str) -> str:
    """Return a moment on the clock of a zone."""
    return clock_of(ZoneInfo(zone))(at)


def share(value: float) -> str:
    """Return a share, or a difference of shares, as a percentage."""
    return f"{value:.1%}"


def day_name(day: int) -> str:
    """Return a day, given as days since 1970."""
    return (_EPOCH + timedelta(days=day)).strftime("%d %b")


def date_and_year(at: Millis) -> Markup:
    """Return the day of a moment, UTC."""
    if not 0 <= at < YEAR_10000:
        return Markup("{} ms since 1970").format(at)
    return Markup("<time>{}</time>").format(datetime.fromtimestamp(at / SECOND, UTC).date().isoformat())


def meaning(reason: str | None) -> tuple[str, str]:
    """Return what a reason means, and what to do about it, wherever the catalogue has it."""
    return next((found for status in _STATUSES if (found := explain(status, reason))[0]), ("", ""))


def code(text: str) -> Markup:
    """Return a sentence of the catalogue of reasons, with what stands between backticks as code."""
    parts = [escape(show_invisible(part)) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def query(values: dict[str, object]) -> str:
    """Return a query of a URL, without what is not set."""
    return "?" + urlencode({name: value for name, value in values.items() if value not in (None, "")})
