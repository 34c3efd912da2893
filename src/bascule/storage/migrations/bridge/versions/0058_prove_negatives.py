"""What proves that a payout can never be paid, and which payout takes its place."""

from bascule.storage.migrate import run_sql_beside

revision = "0058"
down_revision = "0057"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
