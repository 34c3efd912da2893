"""What deposits and applications name is looked up once for all rows of a statement."""

from bascule.storage.migrate import run_sql_beside

revision = "0077"
down_revision = "0076"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
