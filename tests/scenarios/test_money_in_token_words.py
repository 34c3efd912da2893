"""Stories of what tokens say of themselves, held against the proofs of their blocks before a pause ends."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bascule.chain.errors import IncompleteAnswer
from bascule.domain.chain import checksum
from tests.support.chain import calldata
from tests.support.issuing import ISSUER, issuer, suspended
from tests.support.money_in import Bridge, OpenAs, bridge
from tests.support.nodes import lying_node


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


WORDS_OF_A_BLOCK = {
    "the last one is left out": lambda said: said[:-1],
    "the last two stand the other way round": lambda said: [
        *said[:-2],
        {**said[-2], "topics": said[-1]["topics"]},
        {**said[-1], "topics": said[-2]["topics"]},
    ],
}


@pytest.mark.parametrize("lie", WORDS_OF_A_BLOCK.values(), ids=WORDS_OF_A_BLOCK)
async def test_end_of_a_pause_that_no_receipt_shows_lifts_nothing(b: Bridge, lie: Any) -> None:
    """The block's bloom is the same: it was paused, it is once more, and the node says that it ended."""
    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        await b.settle_down(watcher)
        await issuer(b, "pause()")
        await b.settle_down(watcher)
        for call in ("unpause()", "pause()", "unpause()", "pause()"):
            await b.node.send(b.account(ISSUER), to=checksum(b.token.contract), data=calldata(call, []))
        node.twist = lambda method, params, logs: lie(logs) if method == "eth_getLogs" and logs else logs
        await b.mine()
        await b.settle_down(watcher)
        assert watcher.counters["contract_events_corrected"] > 0

    assert await suspended(b) == "paused"
    assert [event for event in await b.events() if event.startswith("token.")] == ["token.suspended"]
    kinds = await b.rows("SELECT kind FROM contract_events WHERE canonical ORDER BY block_number, log_index")
    assert [kind for (kind,) in kinds] == ["paused", "unpaused", "paused", "unpaused", "paused"]


async def test_pause_ends_only_when_its_end_is_proven(b: Bridge) -> None:
    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        await b.settle_down(watcher)
        await issuer(b, "pause()")
        await b.settle_down(watcher)
        node.twist = lambda method, params, result: [] if method == "eth_getBlockReceipts" else result
        await issuer(b, "unpause()")
        for _ in range(2):
            with pytest.raises(IncompleteAnswer):
                await watcher.run_once()
        assert await suspended(b) == "paused"
        assert watcher.counters["token_events_unpaused"] == 1, "it was read"

        node.twist = lambda method, params, result: result
        await b.settle_down(watcher)
    assert await suspended(b) is None
