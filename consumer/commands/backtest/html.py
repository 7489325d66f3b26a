"""Writes a backtest as one HTML page that needs nothing else: its drawings are SVG within it."""

import math
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from consumer.clock import Millis
from consumer.commands.backtest.show import percent, span_text
from consumer.commands.terminal.time_arguments import format_minute
from consumer.insight.backtest import Backtest

_WIDTH, _HEIGHT, _MARGIN = 640, 260, 40
_TICKS_S = {1: "1 s", 60: "1 min", 3600: "1 h", 86_400: "1 d", 7 * 86_400: "1 wk", 30 * 86_400: "30 d"}


def write_page(path: Path, results: dict[str, Backtest]) -> None:
    """Write the page. `results` are by the name of the configuration. Raises OSError."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"percent": percent, "span": span_text, "day": _day}
    page = environment.get_template("page.html.jinja")
    drawings = {
        name: {process: _drawing(rows) for process, rows in result.curves.items() if rows}
        for name, result in results.items()
    }
    path.write_text(page.render(results=results, drawings=drawings, width=_WIDTH, height=_HEIGHT), encoding="utf-8")


def _drawing(rows: Sequence[tuple[float, float, float, float, int]]) -> dict[str, object]:
    """Return the points of a curve over a logarithmic time axis, of its band, and the axis's ticks."""
    first, last = math.log(max(1.0, rows[0][0])), math.log(max(2.0, rows[-1][0]))

    def x(seconds: float) -> float:
        return _MARGIN + (math.log(max(1.0, seconds)) - first) / max(1e-9, last - first) * (_WIDTH - 2 * _MARGIN)

    def y(share: float) -> float:
        return _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)

    def points(pairs: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{x(seconds):.1f},{y(share):.1f}" for seconds, share in pairs)

    some = rows[:: max(1, len(rows) // 300)]
    band = [(row[0], row[3]) for row in some] + [(row[0], row[2]) for row in reversed(some)]
    ticks = [(x(seconds), name) for seconds, name in _TICKS_S.items() if first <= math.log(seconds) <= last + 1e-9]
    return {
        "line": points([(row[0], row[1]) for row in some]),
        "band": points(band),
        "ticks": ticks,
        "levels": [(y(share), f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)],
    }


def _day(at: Millis) -> str:
    return f"{format_minute(at)} UTC"
