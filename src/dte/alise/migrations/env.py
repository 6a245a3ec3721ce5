"""Alembic runs this file; the connection is the one of `dte.runtime.migrations.upgrade`."""

from dte.runtime.migrations import run_migrations

run_migrations()
