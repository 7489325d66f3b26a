"""Writes a backtest as one HTML page that needs nothing else: its drawings are SVG within it."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from consumer.clock import Millis
from consumer.commands.terminal.time_arguments import format_minute
from consumer.config.types import format_millis
from consumer.insight.backtest import Backtest
from consumer.insight.curve_drawing import draw


def write_page(path: Path, results: dict[str, Backtest]) -> None:
    """Write the page. `results` are by the name of the configuration. Raises OSError."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"span": format_millis, "day": _day}
    environment.finalize = lambda value: "–" if value is None else value  # a share of too few people
    page = environment.get_template("page.html.jinja")
    drawings = {
        name: {process: draw(rows, result.configured(process)) for process, rows in result.curves.items() if rows}
        for name, result in results.items()
    }
    path.write_text(page.render(results=results, drawings=drawings), encoding="utf-8")


def _day(at: Millis) -> str:
    return f"{format_minute(at)} UTC"
