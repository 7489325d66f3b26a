"""Draws the return curves of a backtest as PNG files, one for each configuration and process."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from consumer.commands.terminal.exit_codes import CommandFailed
from consumer.insight.backtest import Backtest
from consumer.insight.curve_drawing import TICKS_S, CurveRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE_INCHES, _DPI = (8, 4.5), 150


def write_plots(folder: Path, results: dict[str, Backtest]) -> list[Path]:
    """Write the files and return them; a process of which nothing can be said gets none.

    Raises CommandFailed without matplotlib, and OSError.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise CommandFailed("--png needs matplotlib: pip install 'lapse[plots]'") from None
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, result in results.items():
        for process, rows in result.curves.items():
            if rows:
                file = folder / f"{_file_name(Path(name).stem)}-{_file_name(process)}.png"
                _draw(Figure(figsize=_SIZE_INCHES, layout="constrained"), process, rows).savefig(file, dpi=_DPI)
                written.append(file)
    return written


def _draw(figure: "Figure", process: str, rows: Sequence[CurveRow]) -> "Figure":
    seconds, away, lower, upper, _ = zip(*rows, strict=True)
    axes = figure.subplots()
    axes.fill_between(seconds, lower, upper, step="post", alpha=0.25, linewidth=0, label="95 % band")
    axes.step(seconds, away, where="post", label="still away")
    axes.set_xscale("log")
    ticks = {at: label for at, label in TICKS_S.items() if seconds[0] <= at <= seconds[-1]}
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.grid(alpha=0.3)
    axes.set_title(f"{process}: who is still away, without a message")
    axes.set_xlabel("time since the last activity")
    axes.legend()
    return figure


def _file_name(text: str) -> str:
    """Return a name that any file system takes."""
    return re.sub(r"[^\w.-]", "_", text)
