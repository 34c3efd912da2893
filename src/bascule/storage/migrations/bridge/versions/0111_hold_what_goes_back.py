"""Screening holds what is to go back by a refund that was not paid yet."""

from bascule.storage.migrate import run_sql_beside

revision = "0111"
down_revision = "0110"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
