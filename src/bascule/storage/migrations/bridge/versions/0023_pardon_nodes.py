"""Keeps which nodes operators let back."""

from bascule.storage.migrate import run_sql_beside

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
