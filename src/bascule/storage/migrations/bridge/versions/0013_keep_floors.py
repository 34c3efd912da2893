"""From which amounts on arrivals count."""

from bascule.storage.migrate import run_sql_beside

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
