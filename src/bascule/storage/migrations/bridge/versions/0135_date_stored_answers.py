"""Says of each stored answer in which version of the API it was made."""

from bascule.storage.migrate import run_sql_beside

revision = "0135"
down_revision = "0134"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
