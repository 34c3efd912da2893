"""Payers' authorizations that a wallet may present to tokens."""

from bascule.storage.migrate import run_sql_beside

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
