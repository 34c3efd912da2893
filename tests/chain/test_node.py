"""What is known of one node of a pool."""

from __future__ import annotations

from bascule.chain.node import Node
from bascule.chain.rpc import Rpc
from tests.support.nodes import no_guard


def node() -> Node:
    made = Node(Rpc("http://n", session=None, guard=no_guard), "n")  # type: ignore[arg-type]
    made.counters["answers"] = 10_000
    return made


def test_one_lie_weighs_more_than_a_day_of_silence() -> None:
    silent, liar = node(), node()
    assert silent.score == liar.score == 1.0
    silent.counters["unreachable"] = 500
    liar.lied(now=0.0, quarantine_s=1.0)
    assert 0.0 < liar.score < silent.score < 1.0
