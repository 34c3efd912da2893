"""Every payout is sealed as it was asked for, whether anything was posted for it or not."""

from bascule.storage.migrate import run_sql_beside

revision = "0105"
down_revision = "0104"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
