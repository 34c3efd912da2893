"""Why a network was chosen for a payout that was asked for without one."""

from bascule.storage.migrate import run_sql_beside

revision = "0056"
down_revision = "0055"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
