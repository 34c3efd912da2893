"""Grants each process what it may do in the bridge's schemas."""

from bascule.storage.migrate import run_sql_beside

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
