"""All tables, as the first ledgers had them."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)

revision = "0001"
down_revision = None

_COUNTED = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    _identity_and_progress()
    _reminders()
    _attempts()
    _people()
    _what_we_hear()
    _what_we_tell()


def _identity_and_progress() -> None:
    op.create_table(
        "meta",
        Column("name", Text, nullable=False),
        Column("value", Text, nullable=False),
        PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "intake_offsets",
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("next_offset", BigInteger, nullable=False),
        PrimaryKeyConstraint("topic", "partition", name="pk_intake_offsets"),
    )
    op.create_table(
        "clocks",
        Column("partition", Integer, autoincrement=False, nullable=False),
        Column("clock", BigInteger, nullable=False),
        PrimaryKeyConstraint("partition", name="pk_clocks"),
    )
    op.create_table(
        "channels",
        Column("name", Text, nullable=False),
        Column("stopped_because", Text),
        Column("stopped_at", BigInteger),
        Column("probe_at", BigInteger),
        Column("stops", Integer, nullable=False),
        Column("silences", Integer, nullable=False),
        PrimaryKeyConstraint("name", name="pk_channels"),
    )


def _reminders() -> None:
    op.create_table(
        "reminders",
        Column("reminder_id", Text, nullable=False),
        Column("medium", Text, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("process", Text, nullable=False),
        Column("step", Integer, nullable=False),
        Column("action", Text),
        Column("last_seen", BigInteger, nullable=False),
        Column("lapsed_at", BigInteger),
        Column("occurred_at", BigInteger, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("status", Text, nullable=False),
        Column("reason", Text),
        Column("until", BigInteger),
        Column("due_at", BigInteger),
        Column("lease_until", BigInteger),
        Column("unknown_since", BigInteger),
        Column("quiet_from", BigInteger),
        Column("polls", Integer, nullable=False),
        Column("sequence", Integer, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("refusals", Integer, nullable=False),
        Column("attempted_at", BigInteger),
        Column("claimed_by", Text),
        Column("message_id", Text),
        Column("phone", Text),
        Column("template", Text),
        Column("language", Text),
        Column("error_code", Integer),
        Column("superseded_at", BigInteger),
        Column("returned_at", BigInteger),
        Column("completed_at", BigInteger),
        Column("created_at", BigInteger, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("reminder_id", "medium", name="pk_reminders"),
    )
    op.create_index("ix_reminders_user_id_process", "reminders", ["user_id", "process"])
    for moment in ("due_at", "lease_until", "unknown_since", "quiet_from"):
        _partial(f"ix_reminders_{moment}", "reminders", [moment], f"{moment} IS NOT NULL")
    for whose in ("partition", "user_id"):
        _partial(f"ix_reminders_waiting_{whose}", "reminders", ["reason", whose], "due_at IS NOT NULL")


def _attempts() -> None:
    op.create_table(
        "attempts",
        Column("reminder_id", Text, nullable=False),
        Column("medium", Text, nullable=False),
        Column("number", Integer, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("process", Text, nullable=False),
        Column("step", Integer, nullable=False),
        Column("started_at", BigInteger, nullable=False),
        Column("finished_at", BigInteger),
        Column("outcome", Text, nullable=False),
        Column("may_have_gone", Boolean, nullable=False),
        Column("reason", Text),
        Column("error_code", Integer),
        Column("error", Text),
        Column("message_id", Text),
        Column("phone", Text),
        ForeignKeyConstraint(
            ["reminder_id", "medium"], ["reminders.reminder_id", "reminders.medium"], name="fk_attempts_reminders"
        ),
        PrimaryKeyConstraint("reminder_id", "medium", "number", name="pk_attempts"),
    )
    op.create_index("ix_attempts_message_id", "attempts", ["message_id"])
    op.create_index("ix_attempts_phone_started_at", "attempts", ["phone", "started_at"])
    op.create_index("ix_attempts_user_id_started_at", "attempts", ["user_id", "started_at"])


def _people() -> None:
    op.create_table(
        "contacts",
        Column("user_id", Text, nullable=False),
        Column("name", Text),
        Column("phone", Text),
        Column("locale", Text),
        Column("timezone", Text),
        Column("email", Text),
        Column("opt_in", Boolean, nullable=False),
        Column("updated_at", BigInteger),
        Column("erased", Boolean, nullable=False),
        Column("source_partition", Integer, nullable=False),
        Column("source_offset", BigInteger, nullable=False),
        Column("phone_hash", Text),
        PrimaryKeyConstraint("user_id", name="pk_contacts"),
    )
    op.create_index("ix_contacts_phone_hash", "contacts", ["phone_hash"])
    op.create_table(
        "opt_outs",
        Column("subject", Text, nullable=False),
        Column("medium", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("occurred_at", BigInteger, nullable=False),
        Column("lifted_at", BigInteger),
        PrimaryKeyConstraint("subject", "medium", name="pk_opt_outs"),
    )


def _what_we_hear() -> None:
    op.create_table(
        "webhook_bodies",
        Column("id", _COUNTED, autoincrement=True, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("received_at", BigInteger, nullable=False),
        Column("kept_because", Text),
        PrimaryKeyConstraint("id", name="pk_webhook_bodies"),
    )
    op.create_index("ix_webhook_bodies_kept_because_id", "webhook_bodies", ["kept_because", "id"])
    op.create_table(
        "parked_reports",
        Column("id", _COUNTED, autoincrement=True, nullable=False),
        Column("message_id", Text, nullable=False),
        Column("progress", Text, nullable=False),
        Column("at", BigInteger),
        Column("error_code", Integer),
        Column("error", Text),
        Column("source", Text, nullable=False),
        Column("received_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("id", name="pk_parked_reports"),
        UniqueConstraint("message_id", "progress", name="uq_parked_reports_message_id_progress"),
    )
    op.create_index("ix_parked_reports_received_at", "parked_reports", ["received_at"])
    op.create_table(
        "inbound_messages",
        Column("message_id", Text, nullable=False),
        Column("sender", Text),
        Column("at", BigInteger),
        Column("kind", Text, nullable=False),
        Column("body", Text),
        Column("received_at", BigInteger, nullable=False),
        Column("phone_hash", Text),
        PrimaryKeyConstraint("message_id", name="pk_inbound_messages"),
    )
    op.create_index("ix_inbound_messages_phone_hash", "inbound_messages", ["phone_hash"])
    op.create_index("ix_inbound_messages_received_at", "inbound_messages", ["received_at"])


def _what_we_tell() -> None:
    op.create_table(
        "outbox",
        Column("id", _COUNTED, autoincrement=True, nullable=False),
        Column("reminder_id", Text, nullable=False),
        Column("medium", Text, nullable=False),
        Column("sequence", Integer, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("process", Text, nullable=False),
        Column("step", Integer, nullable=False),
        Column("status", Text, nullable=False),
        Column("final", Boolean, nullable=False),
        Column("reason", Text),
        Column("error_code", Integer),
        Column("message_id", Text),
        Column("attempt", Integer),
        Column("template", Text),
        Column("language", Text),
        Column("lapsed_at", BigInteger),
        Column("until", BigInteger),
        Column("source", Text, nullable=False),
        Column("occurred_at", BigInteger, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        Column("published", Boolean, nullable=False),
        PrimaryKeyConstraint("id", name="pk_outbox"),
        UniqueConstraint("reminder_id", "medium", "sequence", name="uq_outbox_reminder_id_medium_sequence"),
    )
    _partial("ix_outbox_unpublished", "outbox", ["id"], "published IS false", sqlite="published IS 0")
    op.create_table(
        "opt_out_outbox",
        Column("id", _COUNTED, autoincrement=True, nullable=False),
        Column("user_id", Text, nullable=False),
        Column("medium", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("occurred_at", BigInteger, nullable=False),
        Column("published", Boolean, nullable=False),
        PrimaryKeyConstraint("id", name="pk_opt_out_outbox"),
    )
    _partial("ix_opt_out_outbox_unpublished", "opt_out_outbox", ["id"], "published IS false", sqlite="published IS 0")


def _partial(name: str, table: str, columns: list[str], where: str, sqlite: str | None = None) -> None:
    """SQLite uses such an index only for a query that says the same in the same words."""
    op.create_index(name, table, columns, sqlite_where=text(sqlite or where), postgresql_where=text(where))
