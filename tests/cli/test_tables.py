"""Tables of commands on terminals of any width."""

import io

import pytest
from rich.console import Console

from consumer.commands.terminal.tables import print_table


@pytest.mark.parametrize("width", [20, 300])
def test_cells_are_shown_as_they_are(width: int) -> None:
    out = io.StringIO()
    print_table(Console(file=out, width=width), "Found", ("process", "count"), [("[/] [b] :smile:", 1_234_567)])
    assert {"[/]", "[b]", ":smile:", "1234567"} <= set(out.getvalue().replace(";", "").split())
