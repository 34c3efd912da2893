"""A reconciliation run ends without chains that are silent for long, and says so."""

from bascule.storage.migrate import run_sql_beside

revision = "0100"
down_revision = "0099"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
