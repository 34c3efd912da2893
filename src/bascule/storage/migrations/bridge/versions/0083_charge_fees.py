"""Platform fees: versions of what a merchant pays, and each fee as it was booked."""

from bascule.storage.migrate import run_sql_beside

revision = "0083"
down_revision = "0082"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
