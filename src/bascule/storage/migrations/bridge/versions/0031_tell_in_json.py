"""Keeps what is told as it was written, and wakes the sequencer by the row itself."""

from bascule.storage.migrate import run_sql_beside

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
