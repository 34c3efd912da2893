"""Bounds what the API's login may decide about deposits."""

from bascule.storage.migrate import run_sql_beside

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
