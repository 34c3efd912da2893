"""Payers' authorizations, the standing addresses they pay to, and under which names tokens' holders sign."""

from bascule.storage.migrate import run_sql_beside

revision = "0118"
down_revision = "0117"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
