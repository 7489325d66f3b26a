"""The backtest that was published last."""

from sqlalchemy import Connection, delete, insert, select

from consumer.clock import Millis
from consumer.ledger.schema.backtest_table import backtests


def put(connection: Connection, published_at: Millis, result: str) -> None:
    """Store a published backtest in place of the one before."""
    connection.execute(delete(backtests))
    connection.execute(insert(backtests), {"published_at": published_at, "result": result})


def latest(connection: Connection) -> str | None:
    """Return its result; None if none was published."""
    return connection.scalar(select(backtests.c.result).order_by(backtests.c.published_at.desc()).limit(1))
