"""Tables on a terminal, whose cells are shown as they are."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.commands.terminal.output import printable

_ANY_WIDTH = 1_000


def print_table(
    console: Console, title: str, heads: Sequence[str], rows: Iterable[Sequence[object]], *, of_numbers: bool = False
) -> None:
    """Print rows as a table, or one after the other where the terminal is too narrow for the table's words.

    `of_numbers`: all columns but the first stand to the right.
    """
    table, cells = Table(title=title, title_justify="left", box=None, pad_edge=False), [*map(_texts, rows)]
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if of_numbers and place else "left", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))  # Text, because markup would interpret brackets
    if console.measure(table, options=console.options.update_width(_ANY_WIDTH)).minimum <= console.width:
        console.print(table)
        return
    console.print(Text(title), style="table.title")
    for row in cells:
        console.print(Text("; ".join(f"{head} {cell}" for head, cell in zip(heads, row, strict=True) if cell)))


def _texts(row: Sequence[object]) -> list[str]:
    return ["" if cell is None else printable(str(cell)) for cell in row]
