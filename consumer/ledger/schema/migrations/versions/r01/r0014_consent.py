"""A contact may say nothing about consent, and opt-outs say who told us.

The topic `opt-outs` gets every opt-out that is in force, by user and by number, so that a new ledger can be filled
from it.
"""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Text

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    with op.batch_alter_table("contacts") as contacts:
        contacts.alter_column("opt_in", existing_type=Boolean(), existing_nullable=False, nullable=True)
        contacts.add_column(Column("opted_in_at", BigInteger))
    op.add_column("opt_outs", Column("source", Text, nullable=False, server_default="other"))
    with op.batch_alter_table("opt_out_outbox") as outbox:
        outbox.alter_column("user_id", new_column_name="subject", existing_type=Text())
        outbox.alter_column("reason", existing_type=Text(), existing_nullable=False, nullable=True)
        outbox.add_column(Column("source", Text, nullable=False, server_default="other"))
    op.execute("UPDATE opt_out_outbox SET subject = 'user:' || subject")
    op.execute(
        "INSERT INTO opt_out_outbox (subject, medium, reason, occurred_at, published)"
        " SELECT subject, medium, reason, occurred_at, false FROM opt_outs WHERE lifted_at IS NULL ORDER BY occurred_at"
    )
