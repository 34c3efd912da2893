"""Says of each deposit what it was before its transaction was mined again with another amount."""

from bascule.storage.migrate import run_sql_beside

revision = "0137"
down_revision = "0136"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
