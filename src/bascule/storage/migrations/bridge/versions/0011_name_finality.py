"""Lets the watcher say by which policy it works, and keeps a final block what it is."""

from bascule.storage.migrate import run_sql_beside

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
