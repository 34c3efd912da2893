"""Stories of balances after an outage that was longer than nodes keep state."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.issuing import accept_quirk, suspended
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.nodes import Refuse, lying_node


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


@pytest.mark.parametrize("kept", [True, False], ids=["since before it", "since after it"])
async def test_a_log_without_a_move_is_seen_from_the_oldest_state_there_is(b: Bridge, kept: bool) -> None:
    """What came before that state is counted as unchecked."""
    await accept_quirk(b, "LogsWithoutMoving")
    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        await b.settle_down(watcher)
        intent = await b.intent("10.00")
        await b.mine(6)
        paid = int(await b.node.rpc("eth_blockNumber"), 16) + 1
        await b.send(b.account(4).address, "5.00")  # the vault is no fresh address
        await b.send(deposit_address(intent), "10.00")
        await b.mine(8)
        oldest = paid - 1 if kept else paid

        def pruned(method: str, params: list[Any], result: Any) -> Any:
            if method in ("eth_call", "eth_getBalance") and int(params[1], 16) < oldest:
                raise Refuse("missing trie node 00 (path ) state 0x00 is not available, not found")
            return result

        node.twist = pruned
        await b.settle_down(watcher)

    assert await suspended(b) == ("balance_mismatch" if kept else None)
    assert watcher.counters["balances_unchecked"] > 0
