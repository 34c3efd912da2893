"""Finds the deposits whose token was unknown when they came."""

from bascule.storage.migrate import run_sql_beside

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
