"""No event can be subscribed to that never comes: each one has a test that hears it."""

import ast
import tomllib
from pathlib import Path

import pytest

from bascule.domain.webhook import EventType
from bascule.entrypoints.cli.scripting import triggers

TESTS = Path(__file__).parent.parent
SEEN = tomllib.loads((Path(__file__).parent / "told.toml").read_text(encoding="utf-8"))["seen"]


def test_every_event_is_heard_by_the_test_of_triggers_or_by_one_that_is_named() -> None:
    untriggered = {event for event, found in triggers().items() if found.get("not_here")}

    assert set(triggers()) == {str(event) for event in EventType}
    assert set(SEEN) == untriggered


@pytest.mark.parametrize("event", SEEN)
def test_test_that_is_named_asks_for_the_event_by_its_name(event: str) -> None:
    """Those of money out ask a payout for its events, which are named without their object."""
    file, _, name = SEEN[event].partition("::")
    source = (TESTS / file).read_text(encoding="utf-8")
    [found] = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    ]
    words = [node.value for node in ast.walk(found) if isinstance(node, ast.Constant)]
    kind, _, happened = event.partition(".")
    asked = any(event in word for word in words if isinstance(word, str))
    assert asked or (kind == "payout" and happened in words), f"{SEEN[event]} does not ask for {event}"
