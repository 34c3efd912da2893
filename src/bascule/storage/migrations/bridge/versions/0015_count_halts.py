"""Keeps what a halted chain needs to go on."""

from bascule.storage.migrate import run_sql_beside

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
