"""How a specification is read, and refused with what would be right."""

from typing import Any

import pytest

from bascule.entrypoints.devchain.errors import INVALID_PARAMS, RpcError
from bascule.entrypoints.devchain.faults.armed import Faults
from bascule.entrypoints.devchain.faults.calls import CALLS
from bascule.entrypoints.devchain.faults.delivery import DELIVERIES
from bascule.entrypoints.devchain.faults.vocabulary import KINDS, SELECTION, parse

WRONG: list[tuple[Any, str]] = [
    (None, 'an object with "kind" is needed'),
    ([], 'an object with "kind" is needed'),
    ({}, "kind: one of drop, hang, "),
    ({"kind": "dorp"}, "kind: one of drop, hang, "),
    ({"kind": ["drop"]}, "kind: one of drop, hang, "),
    ({"kind": "drop", "blocks": 3}, "drop: unknown member blocks; it takes forwarded, methods, times,"),
    ({"kind": "drop", "forwarded": 1}, "drop: forwarded: true or false is needed"),
    ({"kind": "drop", "times": 0}, "drop: times: a whole number from 1 is needed"),
    ({"kind": "drop", "times": True}, "drop: times: a whole number from 1 is needed"),
    ({"kind": "drop", "skip": -1}, "drop: skip: a whole number from 0 is needed"),
    ({"kind": "drop", "chance": 0}, "drop: chance: a number above 0 and at most 1 is needed"),
    ({"kind": "drop", "chance": "1"}, "drop: chance: a number is needed"),
    ({"kind": "drop", "methods": []}, "drop: methods: a list of method names is needed"),
    ({"kind": "drop", "methods": "eth_call"}, "drop: methods: a list of method names is needed"),
    ({"kind": "drop", "methods": ["evm_mine"]}, "evm_mine steers the node and is never bent"),
    ({"kind": "delay", "seconds": 601}, "delay: seconds: seconds from 0 to 600 are needed"),
    ({"kind": "page", "status": 99}, "page: status: a whole number from 200 to 599 is needed"),
    ({"kind": "bend"}, "bend: field is needed: its name"),
    ({"kind": "wrong_hash", "field": "number"}, "wrong_hash: field: one of hash, parentHash is needed"),
    ({"kind": "error"}, 'either "client" and "says", or "message"'),
    ({"kind": "error", "client": "geth"}, 'either "client" and "says", or "message"'),
    ({"kind": "error", "client": "geth", "says": "no", "message": "no"}, 'either "client" and "says"'),
    ({"kind": "error", "client": "gath", "says": "pool_full"}, "error: client: one of geth, erigon, "),
    ({"kind": "error", "client": "tenderly", "says": "x"}, "error: says: tenderly says rate_limited"),
    ({"kind": "http_error", "client": "geth", "says": "pool_full"}, "geth says nothing under a"),
]  # fmt: skip


@pytest.mark.parametrize(("specification", "message"), WRONG, ids=lambda value: str(value)[:50])
def test_wrong_fault_is_refused_with_what_would_be_right(specification: Any, message: str) -> None:
    faults = Faults(second_node=True)

    with pytest.raises(RpcError) as refused:
        faults.set(specification)

    assert refused.value.code == INVALID_PARAMS
    assert message in refused.value.message
    assert not faults


NEEDED = {
    "bend": {"field": "data"},
    "error": {"message": "no"},
    "http_error": {"client": "infura", "says": "rate_limited"},
    "other_fork": {"upstream": "http://127.0.0.1:1"},
    "flip_flop": {"upstream": "http://127.0.0.1:1"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_fault_shows_itself_as_it_can_be_set_again(kind: str) -> None:
    fault = parse({"kind": kind, **NEEDED.get(kind, {})}, second_node=True)
    shown = fault.shown()
    again = {name: value for name, value in shown.items() if value not in (None, [])}

    assert parse(again, second_node=True) == fault


def test_every_kind_is_carried_out_somewhere_and_no_parameter_hides_another() -> None:
    batches = {"batch_reorder", "batch_missing", "batch_extra"}

    assert {*CALLS, *DELIVERIES, *batches, "delay"} == set(KINDS)
    assert [kind.name for kind in KINDS.values() if kind.parameters.keys() & SELECTION.keys()] == []
