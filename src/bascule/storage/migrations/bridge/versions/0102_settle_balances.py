"""Balances are settled by schedule: each period by one payout, to an address that is cooled off."""

from bascule.storage.migrate import run_sql_beside

revision = "0102"
down_revision = "0101"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
