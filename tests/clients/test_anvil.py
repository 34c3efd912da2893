"""The second node is what we say it is: fresh, tagged as a real chain, and gone afterwards."""

import urllib.error

import aiohttp
import pytest

from bascule.chain.dev_node import DevNode
from bascule.chain.rpc import Rpc
from bascule.domain.chain import parse_hash
from bascule.domain.errors import Rejected
from tests.support.anvil import anvil
from tests.support.nodes import no_guard
from tests.support.oracle import Chain

pytestmark = pytest.mark.slow


def test_anvil_answers_as_the_pinned_version_and_is_gone_afterwards() -> None:
    with anvil() as url:
        chain = Chain(url)
        assert chain.ask("web3_clientVersion") == "anvil/v1.7.1"
        chain.ask("anvil_mine", "0x14")
        tags = ("latest", "safe", "finalized")
        assert [int(chain.ask("eth_getBlockByNumber", tag, False)["number"], 16) for tag in tags] == [
            20,
            16,
            12,
        ]

    with pytest.raises(urllib.error.URLError):
        Chain(url).ask("eth_chainId")


async def test_sandbox_controls_that_the_page_names_for_anvil_work_there_and_no_others() -> None:
    with anvil("--no-mining") as url:
        chain = Chain(url)
        sender, payee, *_ = chain.ask("eth_accounts")
        async with aiohttp.ClientSession() as session:
            node = DevNode(Rpc(url, session=session, guard=no_guard))

            await node.mine(3)
            assert chain.ask("eth_blockNumber") == "0x3"

            await node.set_base_fee(7 * 10**9, blocks=1)
            await node.mine(1)
            assert int((await node.head())["baseFeePerGas"], 16) == 7 * 10**9

            waiting = parse_hash(chain.ask("eth_sendTransaction", {"from": sender, "to": payee}))
            assert await node.drop(waiting)
            assert not await node.drop(waiting)

            drop = node.set_fault({"kind": "drop"})
            for absent in (node.reorg(1, []), node.set_base_fee(5, blocks=2), drop):
                with pytest.raises(Rejected, match="This network's node has no bascule_"):
                    await absent
