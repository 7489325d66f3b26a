"""What detect tells of a partition beside its watermark, for the console."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Text

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    for column in (
        Column("watched", BigInteger),
        Column("held", BigInteger),
        Column("brake", Text),
        Column("distrusted", Boolean),
    ):
        op.add_column("watermarks", column)
