"""Every command that changes what is ours leaves a line of audit; the table beside says which.

Requests of the API leave one each in one place (`entrypoints/api/operation.py`), and each answer in the
API's tests is held against it (`Shop.audited`).
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bascule.entrypoints.api import test_helpers
from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.cli.app import _tree
from tests.support.source import SRC

TABLE = tomllib.loads((Path(__file__).parent / "audited.toml").read_text(encoding="utf-8"))
COMPUTES = {"simulate_policy", "try_payment_intent", "verify_x402_payment"}


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[str]:
    for name, each in group.commands.items():
        if hasattr(each, "commands"):
            yield from commands(each, (*before, name))
        else:
            yield " ".join((*before, name))


def test_table_says_of_every_command_once_how_it_is_audited() -> None:
    named = [command for part in TABLE.values() for command in part]

    assert sorted(named) == sorted(commands(_tree()))


def test_actions_of_the_table_are_written_somewhere() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SRC.rglob("*.py"))
    literal = set(re.findall(r'"([a-z_]+(?:\.[a-z_]+)?)"', text))
    nouns = set(re.findall(r'f"([a-z_]+)\.\{event\}"', text))
    composed = {f"{noun}.{verb}" for noun in nouns for verb in literal}

    assert set(TABLE["writes"].values()) - literal - composed == set()


def test_request_that_may_write_is_one_that_is_audited() -> None:
    every = (*OPERATIONS, *test_helpers.OPERATIONS)

    assert {op.name for op in every if not op.reads and not op.changes} == COMPUTES
    assert [op.name for op in every if op.reads and op.changes] == []
