"""Makes a partition for seen transfers below the first one, too."""

from bascule.storage.migrate import run_sql_beside

revision = "0139"
down_revision = "0138"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
