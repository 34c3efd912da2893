"""Registers the deposit factories the signer calls."""

from bascule.storage.migrate import run_sql_beside

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
