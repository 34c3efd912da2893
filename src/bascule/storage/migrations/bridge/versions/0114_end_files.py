"""Report files end after their time; what they were stays."""

from bascule.storage.migrate import run_sql_beside

revision = "0114"
down_revision = "0113"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
