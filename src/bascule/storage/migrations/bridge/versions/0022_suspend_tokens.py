"""Suspends tokens that their issuer or the chain says something about."""

from bascule.storage.migrate import run_sql_beside

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
