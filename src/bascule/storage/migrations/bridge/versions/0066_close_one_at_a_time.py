"""What is older than a day is told by the clock of its writing, and of two who close the books one waits."""

from bascule.storage.migrate import run_sql_beside

revision = "0066"
down_revision = "0065"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
