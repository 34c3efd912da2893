"""Lets merchants apply and accept unapplied deposits."""

from bascule.storage.migrate import run_sql_beside

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
