"""docs/states.md says what the machines do."""

from pathlib import Path

import pytest

from bascule.domain.machine import Machine
from bascule.domain.machines import ALL
from bascule.entrypoints.docs_states import TARGET, render

ROOT = Path(__file__).resolve().parents[2]


def test_the_states_page_is_what_the_machines_render() -> None:
    assert (ROOT / TARGET).read_text() == render(), "run `bascule docs`"


@pytest.mark.parametrize("machine", ALL, ids=lambda machine: machine.name)
def test_every_state_and_event_is_on_the_page(machine: Machine) -> None:  # type: ignore[type-arg]
    page = render().partition(f"## {machine.name.replace('_', ' ').capitalize()}\n")[2].partition("\n## ")[0]

    for move in machine.moves:
        assert f"{move.event} → `{move.target}`" in page
    for state in machine.finals:
        assert f"{state} --> [*]" in page
        assert f"| `{state}` | {machine.sentences[state]} | final |" in page
    for state in machine.initial:
        assert f"[*] --> {state}\n" in page
