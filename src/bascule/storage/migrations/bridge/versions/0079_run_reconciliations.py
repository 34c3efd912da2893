"""Reconciliation runs: asked for by an operator or the night, done by the worker."""

from bascule.storage.migrate import run_sql_beside

revision = "0079"
down_revision = "0078"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
