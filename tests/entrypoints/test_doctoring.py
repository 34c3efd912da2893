"""What `bascule doctor` says of a node that does not name what finality goes by."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from bascule.chain.families import ETHEREUM
from bascule.chain.rpc import Rpc
from bascule.domain.finality import FinalityPolicy
from bascule.entrypoints import doctoring
from bascule.entrypoints.wiring import ChainSettings, Unfit
from tests.support.chain import local_node
from tests.support.nodes import lying_node, no_guard


@pytest.fixture
async def without_tags() -> AsyncIterator[Rpc]:
    """A node that knows `latest` and heights alone."""
    async with local_node() as true, lying_node(true.url) as node, aiohttp.ClientSession() as session:
        await true.dev.mine(3)
        node.twist = lambda method, params, result: (
            None if method == "eth_getBlockByNumber" and params[0] in ("safe", "finalized") else result
        )
        yield Rpc(node.url, session=session, guard=no_guard, family=ETHEREUM)


def chain(finality: FinalityPolicy | None) -> ChainSettings:
    return ChainSettings(id=31_337, name="local", rpc=(), finality=finality)


@pytest.mark.parametrize(("policy", "tag"), [(None, "finalized"), (FinalityPolicy("safe"), "safe")])
async def test_a_node_without_the_tag_is_named_with_the_remedy(
    without_tags: Rpc, policy: FinalityPolicy | None, tag: str
) -> None:
    with pytest.raises(Unfit, match=f"names no {tag} block") as found:
        await doctoring._node(without_tags, chain(policy))

    assert "finality = { depth = N }" in found.value.next_step


async def test_by_depth_no_tag_is_asked_for(without_tags: Rpc) -> None:
    assert "3 behind is final (depth 3)" in await doctoring._node(
        without_tags, chain(FinalityPolicy("depth", 3))
    )
