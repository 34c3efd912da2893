"""What is due and what waits for less than finality, found without an index that knows intents' states."""

from bascule.storage.migrate import run_sql_beside

revision = "0121"
down_revision = "0120"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
