"""Alembic migrations; they travel inside the package and are run by database.py."""
