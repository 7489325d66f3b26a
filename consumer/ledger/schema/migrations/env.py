"""Runs Alembic on the connection that `migrate` hands over, within its transaction."""

from alembic import context

from consumer.ledger.schema.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # (SQLite alters a table by making it anew)
    transactional_ddl=True,
)
context.run_migrations()
