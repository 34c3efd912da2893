"""Books the paid payouts of a vault batch together."""

from bascule.storage.migrate import run_sql_beside

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
