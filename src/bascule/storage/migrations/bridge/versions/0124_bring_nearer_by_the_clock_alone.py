"""Only the test clock brings deadlines nearer, not whoever may ask it to."""

from bascule.storage.migrate import run_sql_beside

revision = "0124"
down_revision = "0123"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
