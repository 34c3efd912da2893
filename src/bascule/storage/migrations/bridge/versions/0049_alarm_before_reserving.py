"""Alarms of payouts that were never reserved, and a denylist that no row of a policy can break."""

from bascule.storage.migrate import run_sql_beside

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
