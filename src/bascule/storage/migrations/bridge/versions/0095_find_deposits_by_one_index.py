"""One index knows deposits by address and by payment."""

from bascule.storage.migrate import run_sql_beside

revision = "0095"
down_revision = "0094"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
