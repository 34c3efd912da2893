"""Who answers requests ends no break that only a look, a posting or the owner may end."""

from bascule.storage.migrate import run_sql_beside

revision = "0087"
down_revision = "0086"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
