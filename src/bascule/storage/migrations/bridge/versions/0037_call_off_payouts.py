"""Keeps who asked to call off a payout that is on its way, and what came of it."""

from bascule.storage.migrate import run_sql_beside

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
