"""A settlement has the number behind the newest, and is paid by its own payout."""

from bascule.storage.migrate import run_sql_beside

revision = "0109"
down_revision = "0108"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
