"""Reports: runs, their files, and what rows of money are written with."""

from bascule.storage.migrate import run_sql_beside

revision = "0084"
down_revision = "0083"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
