"""What may be sent at all, and how fast. See `tables` for the rest."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, false

from consumer.ledger.schema.tables import metadata, partial_index

channels = Table(
    "channels",
    metadata,
    Column("name", Text, primary_key=True),  # a medium, or `medium/template/language`
    Column("stopped_because", Text),
    Column("stopped_at", BigInteger),
    Column("probe_at", BigInteger),
    Column("stops", Integer, nullable=False),  # the first, and fruitless probes since
    Column("unclear_attempts", Integer, nullable=False),  # in a row: they got no clear answer
    Column("error", Text),  # the provider's words, without anything personal
    Column("opened_by_report", Boolean, nullable=False, server_default=false()),
    Column("accepted_probe_at", BigInteger),  # the latest, if nothing was reported of it yet
)
"""The state of each circuit breaker. No row, or no reason in it, means that nothing is known against the channel.

What was accepted and then reported as failed says nothing about the next acceptance: see `opened_by_report`.
"""

failure_streaks = Table(
    "failure_streaks",
    metadata,
    Column("breaker", Text, nullable=False),  # as `channels.name`
    Column("told_by", Text, nullable=False),  # answer, report
    Column("people", Text, nullable=False),  # a JSON array of keyed hashes of phones, or else of users
    Column("errors", Text, nullable=False),  # a JSON array of the provider's words
    Column("since", BigInteger, nullable=False),
    PrimaryKeyConstraint("breaker", "told_by"),
)
"""Unexplained failures of several people in a row; see `deliver/policy/failure_pattern.py`."""

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("medium", Text, primary_key=True),
    Column("used_until_us", BigInteger, nullable=False),  # up to here all rights to send have been used
    Column("held_until", BigInteger, nullable=False),  # the channel said that we are too fast
)
"""How fast each channel is used, by all replicas together; see `deliver/channel/rate_limit.py`."""

pauses = Table(
    "pauses",
    metadata,
    Column("process", Text, primary_key=True),  # empty: everything
    Column("since", BigInteger, nullable=False),
)
"""What an operator does not want to go out for now."""

holds = Table(
    "holds",
    metadata,
    Column("subject", Text, nullable=False),  # as in `opt_outs`
    Column("medium", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("unreachable", Boolean, nullable=False),  # what is due is not put off but given up
    PrimaryKeyConstraint("subject", "medium", "reason"),
    Index(None, "until"),
)
"""Verdicts about a recipient, whichever process learned of them. One whose moment has passed holds nothing."""
_unreachable = holds.c.unreachable.is_(True)
partial_index("ix_holds_unreachable", holds.c.subject, where=_unreachable)
