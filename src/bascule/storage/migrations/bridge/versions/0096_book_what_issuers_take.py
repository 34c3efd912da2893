"""What leaves a deposit address is booked, as what leaves any other address of ours."""

from bascule.storage.migrate import run_sql_beside

revision = "0096"
down_revision = "0095"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
