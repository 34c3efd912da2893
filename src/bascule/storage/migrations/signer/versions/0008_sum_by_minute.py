"""Sums of what was signed for, by the minute."""

from bascule.storage.migrate import run_sql_beside

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
