"""Holds what lies at deposit addresses that a token's issuer lists."""

from bascule.storage.migrate import run_sql_beside

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
