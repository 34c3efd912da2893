"""Keeps what the signer refused as contrary to what it knows, for an alarm that is told once."""

from bascule.storage.migrate import run_sql_beside

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
