"""Balance transactions: a stretch of them is found by the keys of both tables it is read from."""

from bascule.storage.migrate import run_sql_beside

revision = "0090"
down_revision = "0089"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
