"""Knows a database that was put back from a dump on its own server."""

from bascule.storage.migrate import run_sql_beside

revision = "0055"
down_revision = "0054"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
