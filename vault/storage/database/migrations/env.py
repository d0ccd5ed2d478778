"""Alembic's entry: it runs on the connection that `vault.storage.database.migrate` hands over, in that transaction."""

from alembic import context

from vault.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
