"""Reports: runs, their files, and what rows of money are written with."""

from bascule.storage.migrate import run_sql_beside

revision = "0085"
down_revision = "0084"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
