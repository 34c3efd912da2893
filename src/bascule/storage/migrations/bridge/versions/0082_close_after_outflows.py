"""The books are not closed before what left us without a payout is booked."""

from bascule.storage.migrate import run_sql_beside

revision = "0082"
down_revision = "0081"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
