"""Heads of sealed history that a wallet may write on chain."""

from bascule.storage.migrate import run_sql_beside

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
