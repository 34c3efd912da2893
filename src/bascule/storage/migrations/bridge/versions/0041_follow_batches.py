"""What a payout batch was asked for as, and where it stands."""

from bascule.storage.migrate import run_sql_beside

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
