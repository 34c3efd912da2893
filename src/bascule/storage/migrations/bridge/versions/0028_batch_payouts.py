"""Lets one signature approve a batch of payouts."""

from bascule.storage.migrate import run_sql_beside

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
