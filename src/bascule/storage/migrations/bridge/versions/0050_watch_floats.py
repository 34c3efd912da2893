"""What the chain says of each vault's float, and whether it is low, so that treasury is told once."""

from bascule.storage.migrate import run_sql_beside

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
