"""An operator may end a listing whose end no event told."""

from bascule.storage.migrate import run_sql_beside

revision = "0080"
down_revision = "0079"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
