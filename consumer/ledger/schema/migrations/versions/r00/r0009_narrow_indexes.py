"""No query reads a large table from end to end."""

from alembic import op
from sqlalchemy import text

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.drop_index("ix_webhook_bodies_kept_because_id", "webhook_bodies")
    _partial("ix_webhook_bodies_unapplied", "webhook_bodies", "id", "kept_because IS NULL")
    _partial("ix_webhook_bodies_kept", "webhook_bodies", "received_at", "kept_because IS NOT NULL")
    op.create_index("ix_holds_until", "holds", ["until"])
    _partial("ix_holds_unreachable", "holds", "subject", "unreachable IS true", sqlite="unreachable IS 1")


def _partial(name: str, table: str, column: str, where: str, sqlite: str | None = None) -> None:
    op.create_index(name, table, [column], sqlite_where=text(sqlite or where), postgresql_where=text(where))
