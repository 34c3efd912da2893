"""What each account was moved by, by moment and by hour: a past balance is a sum of few rows."""

from bascule.storage.migrate import run_sql_beside

revision = "0094"
down_revision = "0093"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
