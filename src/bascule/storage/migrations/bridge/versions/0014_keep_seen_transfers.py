"""Keeps transfers to anybody for a while: whose an address is may be stored after they were read."""

from bascule.storage.migrate import run_sql_beside

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
