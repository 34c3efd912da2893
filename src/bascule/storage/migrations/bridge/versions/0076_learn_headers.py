"""What was learned of a chain that nobody listed is known to every process, and to the next one."""

from bascule.storage.migrate import run_sql_beside

revision = "0076"
down_revision = "0075"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
