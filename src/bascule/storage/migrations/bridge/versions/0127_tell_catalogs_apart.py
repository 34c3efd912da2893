"""What is known of networks and tokens has a word, which one statement asks for beside what it reads."""

from bascule.storage.migrate import run_sql_beside

revision = "0127"
down_revision = "0126"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
