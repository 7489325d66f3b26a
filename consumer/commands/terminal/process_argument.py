"""Processes as people name them on a command line."""

from collections.abc import Iterable

import typer

from consumer.config.errors import closest


def no_such_process(process: str, known: Iterable[str], option: str) -> typer.BadParameter:
    """Return the error for a process that is not known: it proposes the one that was meant, or names all."""
    names = sorted(known)
    meant = closest(process, names)
    advice = f"did you mean {meant}?" if meant else f"the processes are {', '.join(names)}"
    return typer.BadParameter(f"there is no process {process}; {advice}", param_hint=option)
