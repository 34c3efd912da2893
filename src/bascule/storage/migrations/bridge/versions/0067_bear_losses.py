"""The operator bears what is missing, once a person has looked and the operator has it free."""

from bascule.storage.migrate import run_sql_beside

revision = "0067"
down_revision = "0066"


def upgrade() -> None:
    """Runs the statements beside this file."""
    run_sql_beside(__file__)
