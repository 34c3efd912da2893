"""What a vault lacks for the payouts that wait for it, told to treasury until it is there."""

from bascule.storage.migrate import run_sql_beside

revision = "0046"
down_revision = "0045"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
