"""Lets several lanes of a vault take payouts at once."""

from bascule.storage.migrate import run_sql_beside

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
