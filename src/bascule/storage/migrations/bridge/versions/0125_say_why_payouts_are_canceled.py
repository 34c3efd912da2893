"""A payout that nobody called off says why it was canceled."""

from bascule.storage.migrate import run_sql_beside

revision = "0125"
down_revision = "0124"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
