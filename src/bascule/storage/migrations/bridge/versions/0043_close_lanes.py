"""Why nothing is reserved on a wallet's lane."""

from bascule.storage.migrate import run_sql_beside

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
