"""Creates the bridge schema."""

from bascule.storage.migrate import run_sql_beside

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
