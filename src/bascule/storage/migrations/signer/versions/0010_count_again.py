"""A payout that is signed again counts in the day of its last signature."""

from bascule.storage.migrate import run_sql_beside

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
