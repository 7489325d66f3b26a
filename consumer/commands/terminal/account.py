"""Who types a command, for the journal."""

import getpass
import socket

from consumer.ledger.queries.operating.journal import Actor


def account() -> Actor:
    """Return the account on this machine, such as `ana@laptop`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "somebody"
    return Actor(f"{user}@{socket.gethostname()}", "command")
