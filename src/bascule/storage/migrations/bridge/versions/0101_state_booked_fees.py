"""A fee invoice states what the journal says was withheld in its month, to the last digit."""

from bascule.storage.migrate import run_sql_beside

revision = "0101"
down_revision = "0100"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
