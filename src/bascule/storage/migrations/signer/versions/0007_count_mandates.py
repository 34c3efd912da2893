"""What was signed for under each mandate."""

from bascule.storage.migrate import run_sql_beside

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
