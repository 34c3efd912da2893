"""What screening holds now is counted by an index."""

from bascule.storage.migrate import run_sql_beside

revision = "0106"
down_revision = "0105"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
