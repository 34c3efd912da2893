"""A refund's payout is named by the payment and the refund's place among its refunds."""

from bascule.storage.migrate import run_sql_beside

revision = "0091"
down_revision = "0090"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
