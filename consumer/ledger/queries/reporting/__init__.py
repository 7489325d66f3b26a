"""What people look at: what waits and what is stopped (`console`), one person's `history`, the `people` behind a count,
the counts of a `report`, which change nothing; and the `backtests` that are published for it."""

from consumer.ledger.queries.reporting import backtests as backtests
from consumer.ledger.queries.reporting import console as console
from consumer.ledger.queries.reporting import history as history
from consumer.ledger.queries.reporting import people as people
from consumer.ledger.queries.reporting import report as report
