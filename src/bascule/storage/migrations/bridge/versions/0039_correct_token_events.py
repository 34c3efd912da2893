"""Lets the watcher put right what tokens said, where a proof shows it otherwise."""

from bascule.storage.migrate import run_sql_beside

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
