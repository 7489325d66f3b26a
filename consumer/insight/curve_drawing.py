"""A return curve as points of an SVG, with its band, ticks and levels. Pure: templates draw it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from consumer.clock import SECOND, Millis
from consumer.config.types import format_millis

CurveRow: TypeAlias = tuple[float, float, float, float, int]
"""Seconds, the share still away, lower, upper, people at risk."""

WIDTH, HEIGHT, MARGIN = 640, 260, 48
TICKS_S = {
    1: "1 s",
    10: "10 s",
    60: "1 min",
    600: "10 min",
    3600: "1 h",
    6 * 3600: "6 h",
    86_400: "1 d",
    7 * 86_400: "1 wk",
    30 * 86_400: "30 d",
}
LEVELS = (0, 0.25, 0.5, 0.75, 1)
_MAX_POINTS = 300


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis, and what stands there."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class CurveDrawing:
    """`line` and `band` are values of the attribute `points`; time runs along a logarithmic axis."""

    line: str
    band: str
    ticks: Sequence[Mark]
    levels: Sequence[Mark]
    steps: Sequence[Mark]
    """The thresholds of the configuration that was replayed, as far as the curve reaches."""
    width: int = WIDTH
    height: int = HEIGHT
    margin: int = MARGIN


def draw(rows: Sequence[CurveRow], steps: Sequence[Millis]) -> CurveDrawing:
    """Return the drawing of a curve that has rows, and of its process's thresholds."""
    first, last = math.log(max(1.0, rows[0][0])), math.log(max(2.0, rows[-1][0]))

    def x(seconds: float) -> float:
        return MARGIN + (math.log(max(1.0, seconds)) - first) / max(1e-9, last - first) * (WIDTH - 2 * MARGIN)

    def y(share: float) -> float:
        return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)

    def points(pairs: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{x(seconds):.1f},{y(share):.1f}" for seconds, share in pairs)

    some = [*rows[:: max(1, len(rows) // _MAX_POINTS)], rows[-1]]
    return CurveDrawing(
        line=points([(row[0], row[1]) for row in some]),
        band=points([(row[0], row[3]) for row in some] + [(row[0], row[2]) for row in reversed(some)]),
        ticks=[Mark(x(s), name) for s, name in TICKS_S.items() if first <= math.log(s) <= last + 1e-9],
        levels=[Mark(y(share), f"{share:.0%}") for share in LEVELS],
        steps=[Mark(x(s / SECOND), format_millis(s)) for s in steps if rows[0][0] <= s / SECOND <= rows[-1][0]],
    )
