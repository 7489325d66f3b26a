"""The operators' page as HTML. Pure; all values are escaped."""

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from consumer.clock import SECOND, Millis
from consumer.web.console.overview import Overview

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .25rem .75rem .25rem 0; }
th { border-bottom: 1px solid #bbb; } td { border-bottom: 1px solid #eee; overflow-wrap: anywhere; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.bad { color: #a00; font-weight: 600; } .good { color: #070; } p.note { color: #666; }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd; } td { border-color: #333; } }
"""

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Categories of Unicode: control, format (direction marks among them), surrogates, private use, separators."""


def render_page(overview: Overview) -> str:
    """Return the whole page; it reloads itself every ten seconds."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Lapse</title>'
        '<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="10">'
        f"<style>{_STYLE}</style></head><body><h1>Lapse</h1><p class=note>as of {_format_time(overview.at)}</p>"
        + _section("In doubt", _doubts(overview), "These may have been sent. They are not sent again by themselves")
        + _section(
            "Stopped",
            _stopped(overview),
            "Channels and templates that 1MSG refuses; each is tried again with one message",
        )
        + _section("Parts", _parts(overview), "")
        + _section("Reminders", _reminders(overview), "By status and reason, as long as they are kept")
        + "</body></html>"
    )


def _doubts(overview: Overview) -> str:
    if not overview.doubts:
        return "<p class=good>none</p>"
    rows = [
        (
            d.status,
            d.reminder_id,
            d.user_id,
            d.process,
            d.step,
            d.medium,
            d.attempts,
            _format_time(d.attempted_at),
            d.language,
        )
        for d in overview.in_doubt
    ]
    more = f"the latest {len(rows)} of {overview.doubts}: " if overview.doubts > len(rows) else ""
    advice = (
        "check in 1MSG, then settle each with <code>lapse resolve REMINDER --sent</code> or <code>--not-sent</code>"
    )
    heads = ("status", "reminder", "user", "process", "step", "medium", "attempts", "last tried", "language")
    return f"<p class=bad>{overview.doubts}</p><p class=note>{more}{advice}</p>" + _table(heads, rows)


def _stopped(overview: Overview) -> str:
    if not overview.stopped:
        return "<p class=good>nothing</p>"
    rows = [(s.name, s.why, _format_time(s.stopped_at), _format_time(s.probe_at)) for s in overview.stopped]
    return _table(("channel or template", "because", "since", "tried again"), rows)


def _parts(overview: Overview) -> str:
    rows = [(name, "ok" if state.ok else "not ok", state.detail) for name, state in overview.parts.items()]
    return _table(("part", "", "says"), rows)


def _reminders(overview: Overview) -> str:
    rows = [(each.medium, each.status, each.reason, each.count) for each in overview.reminders]
    return _table(("medium", "status", "reason", "count"), rows) if rows else "<p class=note>none yet</p>"


def _section(title: str, content: str, note: str) -> str:
    return f"<h2>{escape(title)}</h2>" + (f"<p class=note>{escape(note)}.</p>" if note else "") + content


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"<td class=number>{value:,}</td>"
    return f"<td>{escape('' if value is None else _show_invisible(str(value)))}</td>"


def _show_invisible(text: str) -> str:
    """Return the text with its invisible characters named: direction marks make a line read as another."""
    return "".join(f"⟨U+{ord(c):04X}⟩" if unicodedata.category(c) in _INVISIBLE else c for c in text)


def _format_time(at: Millis | None) -> str:
    if at is None:
        return ""
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
