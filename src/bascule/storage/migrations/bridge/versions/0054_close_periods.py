"""Closes periods of the books, and takes from the watcher what it has no need to read."""

from bascule.storage.migrate import run_sql_beside

revision = "0054"
down_revision = "0053"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
