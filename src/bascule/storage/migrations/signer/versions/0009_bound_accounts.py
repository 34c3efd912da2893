"""What one account may be signed for: a day's cap, and the only addresses it pays."""

from bascule.storage.migrate import run_sql_beside

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
