"""Who may approve is shown to the API, and not for it to say."""

from bascule.storage.migrate import run_sql_beside

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
