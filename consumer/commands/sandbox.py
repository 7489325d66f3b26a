"""`lapse sandbox`: runs the stand-in for 1MSG, and explains wrong options."""

from collections.abc import Sequence

import typer

from consumer.commands.terminal.exit_codes import CommandFailed
from consumer.sandbox import server
from consumer.sandbox.faults.fault_rates import BadFaults, parse


def main(host: str, port: int, *, faults: str, latency: int, seed: int, webhook_hosts: Sequence[str]) -> int:
    """Serve until a signal stops it; return the exit status. `latency` is in milliseconds.

    Raises:
        typer.BadParameter: `faults` is malformed.
        CommandFailed: it cannot listen on that address.
    """
    try:
        parse(faults)
    except BadFaults as problem:
        raise typer.BadParameter(str(problem), param_hint="--faults") from None
    try:
        return server.main(port, faults, host=host, latency=latency, seed=seed, webhook_hosts=webhook_hosts)
    except OSError as problem:
        reason = str(problem.strerror or problem).split(" (while")[0]
        raise CommandFailed(f"the sandbox cannot listen on {host}:{port}: {reason}") from None
