"""What people did to the service, with their own hands. Times are whole milliseconds, UTC."""

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from consumer.ledger.schema.tables import Counted, metadata

journal = Table(
    "journal",
    metadata,
    Column("id", Counted, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # as they said who they are, or the account on the machine
    Column("via", Text, nullable=False),  # console, api, command
    Column("action", Text, nullable=False),  # see `queries.operating.journal.Action`
    Column("subject", Text),  # whom or what: a user's id, a process, a reminder; never a name or a number
    Column("detail", Text),
    Column("count", Integer),  # of reminders that were changed
)
"""Who did what. It is written in the transaction of the action itself, and nothing deletes from it."""
