"""The travel rule: who pays whom, beside what is paid."""

from bascule.storage.migrate import run_sql_beside

revision = "0104"
down_revision = "0103"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
