"""The schema, for SQLite and PostgreSQL alike. Read `tables` first.

`tables`          what is sent to whom, what is heard of it, and what is told of it
`channel_tables`  what may be sent at all, and how fast
`episode_tables`  what came of each silence
`identity_tables` which ids of WhatsApp belong to which phones
`journal_table`   what people did to the service
`backtest_table`  the backtest that the console shows
`replica_tables`  how far everything has been read, and which replica does what
`rows`            rows of the busiest tables as values
`migrations`      how a ledger that an earlier version made comes to have these tables
"""

# A table counts for `metadata` once its module has been imported.
from consumer.ledger.schema import backtest_table as backtest_table
from consumer.ledger.schema import channel_tables as channel_tables
from consumer.ledger.schema import episode_tables as episode_tables
from consumer.ledger.schema import identity_tables as identity_tables
from consumer.ledger.schema import journal_table as journal_table
from consumer.ledger.schema import replica_tables as replica_tables
