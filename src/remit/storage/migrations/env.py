"""Run by Alembic on the connection, and in the transaction, that the caller opened."""

from alembic import context

from remit.storage.every_table import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=True)
context.run_migrations()
