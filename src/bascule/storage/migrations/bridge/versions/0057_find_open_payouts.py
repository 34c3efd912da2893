"""Finds the payouts that may need another round of approvals."""

from bascule.storage.migrate import run_sql_beside

revision = "0057"
down_revision = "0056"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
