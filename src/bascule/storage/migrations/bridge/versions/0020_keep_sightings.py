"""Keeps how far each chain reaches."""

from bascule.storage.migrate import run_sql_beside

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
