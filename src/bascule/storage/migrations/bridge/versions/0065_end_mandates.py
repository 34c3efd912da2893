"""A mandate that ended stays ended."""

from bascule.storage.migrate import run_sql_beside

revision = "0065"
down_revision = "0064"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
