"""What leaves us without a payout is booked: to a source of capital, or as money that is missing."""

from bascule.storage.migrate import run_sql_beside

revision = "0064"
down_revision = "0063"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
