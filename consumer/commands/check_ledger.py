"""What `lapse check` tries on the side of the ledger."""

import os
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from consumer.commands.lines import Line
from consumer.ledger.refused import LedgerRefused
from consumer.ledger.store import Ledger


def ledger(url: str) -> Line:
    """Does it open? It is only looked at, so that this can be asked while the service is at work on it."""
    if missing := _file_to_be_made(url):
        return _writable(missing)
    try:
        Ledger(url, read_only=True).close()
    except LedgerRefused as problem:
        return Line(False, "ledger", str(problem))
    except SQLAlchemyError as problem:
        # Its text may be long and names the address; the kind is enough to look at the right place.
        kind = type(problem).__name__
        return Line(False, "ledger", f"cannot be opened ({kind}): is the database up, and ledger.url right?")
    return Line(True, "ledger: opens, and its schema is ours")


def _file_to_be_made(url: str) -> Path | None:
    parsed = make_url(url)
    path = Path(parsed.database or ":memory:").absolute()
    return path if parsed.get_backend_name() == "sqlite" and not path.exists() else None


def _writable(path: Path) -> Line:
    folder = next(above for above in path.parents if above.exists())
    if os.access(folder, os.W_OK):
        return Line(True, f"ledger: {path} will be made at the first start")
    return Line(False, f"ledger: {path} cannot be made", f"{folder} may not be written to")
