"""The auditor reads invoices, proofs and prices; names of people stay out."""

from bascule.storage.migrate import run_sql_beside

revision = "0107"
down_revision = "0106"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
