"""Tables and columns are named in the field's words, and what retention may take is found by an index."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Text, text

revision = "0008"
down_revision = "0007"

_WAITS_FOR_NOTHING = (
    "due_at IS NULL AND lease_until IS NULL AND unknown_since IS NULL AND quiet_since IS NULL"
    " AND fallback_at IS NULL AND status != 'unresolved'"
)

_RENAMED = (
    ("reminders", "refusals", "counted_attempts"),
    ("reminders", "quiet_from", "quiet_since"),
    ("attempts", "may_have_gone", "may_have_been_sent"),
    ("channels", "silences", "unclear_attempts"),
    ("echoes", "tail", "recipient_suffix"),
)


def upgrade() -> None:
    _rename_tables()
    for table, old, new in _RENAMED:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    op.drop_index("ix_reminders_quiet_from", "reminders")
    _partial("ix_reminders_quiet_since", ["quiet_since"], "quiet_since IS NOT NULL")
    op.drop_index("ix_echoes_tail", "echoes")
    op.create_index("ix_echoes_recipient_suffix", "echoes", ["recipient_suffix"])
    op.drop_index("ix_reminders_created_at", "reminders")
    _partial("ix_reminders_over", ["updated_at"], _WAITS_FOR_NOTHING)
    op.create_index("ix_opt_out_outbox_occurred_at", "opt_out_outbox", ["occurred_at"])


def _rename_tables() -> None:
    """Tables of a few rows are made anew, so that the names of their constraints are new as well."""
    op.create_table(
        "watermarks",
        Column("partition", Integer, autoincrement=False, nullable=False),
        Column("watermark", BigInteger, nullable=False),
        PrimaryKeyConstraint("partition", name="pk_watermarks"),
    )
    op.create_table(
        "rate_limits",
        Column("medium", Text, nullable=False),
        Column("used_until_us", BigInteger, nullable=False),
        Column("held_until", BigInteger, nullable=False),
        PrimaryKeyConstraint("medium", name="pk_rate_limits"),
    )
    op.create_table(
        "leases",
        Column("name", Text, nullable=False),
        Column("holder", Text, nullable=False),
        Column("until", BigInteger, nullable=False),
        PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.execute("INSERT INTO watermarks (partition, watermark) SELECT partition, clock FROM clocks")
    op.execute(
        "INSERT INTO rate_limits (medium, used_until_us, held_until) SELECT medium, counted_from, held_until FROM paces"
    )
    op.execute("INSERT INTO leases (name, holder, until) SELECT name, holder, until FROM turns")
    for table in ("clocks", "paces", "turns"):
        op.drop_table(table)


def _partial(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "reminders", columns, sqlite_where=text(where), postgresql_where=text(where))
