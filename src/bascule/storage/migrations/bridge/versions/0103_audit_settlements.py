"""Who audits reads what accounts settle, and by whose word."""

from bascule.storage.migrate import run_sql_beside

revision = "0103"
down_revision = "0102"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
