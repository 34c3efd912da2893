"""Looks for a payout's hold where its hold may have changed."""

from bascule.storage.migrate import run_sql_beside

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
