"""Keeps in which batch a payout was approved."""

from bascule.storage.migrate import run_sql_beside

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
