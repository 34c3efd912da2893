"""What the vault did with payouts that these rows may have forgotten."""

from bascule.storage.migrate import run_sql_beside

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
