"""Entries: the next partition is made while the newest one is still half empty."""

from bascule.storage.migrate import run_sql_beside

revision = "0089"
down_revision = "0088"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
