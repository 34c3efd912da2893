"""Rosters and limits are applied by the signer itself, with signatures, version by version."""

from bascule.storage.migrate import run_sql_beside

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
