"""Adds flushes of deposit addresses to the collector."""

from bascule.storage.migrate import run_sql_beside

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
