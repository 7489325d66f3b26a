"""`lapse sandbox`: the stand-in for 1MSG, with words for what a user can get wrong."""

from collections.abc import Sequence

import typer

from consumer.commands.terminal.exit_codes import CommandFailed
from consumer.sandbox import server
from consumer.sandbox.faults.fault_rates import BadFaults, parse


def main(host: str, port: int, *, faults: str, latency: int, seed: int, webhook_hosts: Sequence[str]) -> int:
    """Serves until it is told to stop; the exit status. `latency` in milliseconds.

    Raises:
        typer.BadParameter: `faults` cannot be read.
        Failed: it cannot listen there.
    """
    try:
        parse(faults)
    except BadFaults as problem:
        raise typer.BadParameter(str(problem), param_hint="--faults") from None
    try:
        return server.main(port, faults, host=host, latency=latency, seed=seed, webhook_hosts=webhook_hosts)
    except OSError as problem:
        why = str(problem.strerror or problem).split(" (while")[0]
        raise CommandFailed(f"the sandbox cannot listen on {host}:{port}: {why}") from None
