"""Lanes that open know that a backup was put back."""

from bascule.storage.migrate import run_sql_beside

revision = "0130"
down_revision = "0129"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
