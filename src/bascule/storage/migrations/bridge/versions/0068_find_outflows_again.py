"""What left us to an address that turns out to be ours comes back into the books."""

from bascule.storage.migrate import run_sql_beside

revision = "0068"
down_revision = "0067"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
