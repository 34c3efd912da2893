"""Keeps what deposit factories say of their collector."""

from bascule.storage.migrate import run_sql_beside

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
