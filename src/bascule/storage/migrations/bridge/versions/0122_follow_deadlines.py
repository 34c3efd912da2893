"""Whoever moves an intent's time moves when it is looked at."""

from bascule.storage.migrate import run_sql_beside

revision = "0122"
down_revision = "0121"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
