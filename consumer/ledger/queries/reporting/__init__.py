"""What people look at: the console's counts, one person's history, and the counts of a report. They change nothing."""

from consumer.ledger.queries.reporting import console as console
from consumer.ledger.queries.reporting import history as history
from consumer.ledger.queries.reporting import report as report
