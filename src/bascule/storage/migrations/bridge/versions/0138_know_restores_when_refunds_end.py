"""Refunds that end know that a backup was put back."""

from bascule.storage.migrate import run_sql_beside

revision = "0138"
down_revision = "0137"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
