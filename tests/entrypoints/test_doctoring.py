"""What `bascule doctor` says of a node without the tags of finality, and of the way to the signer."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from bascule.chain.families import ETHEREUM
from bascule.chain.rpc import Rpc
from bascule.domain.finality import FinalityPolicy
from bascule.entrypoints import doctoring
from bascule.entrypoints.ports import free_port
from bascule.entrypoints.signer_doors import doors
from bascule.entrypoints.signer_server import SignerServer
from bascule.entrypoints.wiring import ChainSettings, Settings, Unfit, load
from bascule.services.signer import Signer
from bascule.settings.parse import NodeSettings
from tests.support.chain import local_node
from tests.support.nodes import Refuse, lying_node, no_guard
from tests.support.stage_clock import StageClock


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


async def test_a_node_that_keeps_no_balances_of_the_final_block_is_named_with_the_remedy() -> None:
    async with local_node() as true, lying_node(true.url) as node, aiohttp.ClientSession() as session:
        await true.dev.mine(6)

        def pruned(method: str, params: list[Any], result: Any) -> Any:
            if method == "eth_getBalance" and int(params[1], 16) < 6:
                raise Refuse("missing trie node 00 (path ) state 0x00 is not available, not found")
            return result

        node.twist = pruned
        rpc = Rpc(node.url, session=session, guard=no_guard, family=ETHEREUM)
        with pytest.raises(Unfit, match="keeps no balances of block 2, which is final") as found:
            await doctoring._node(rpc, chain(FinalityPolicy("depth", 4)))

    assert "keeps more state" in found.value.next_step


async def test_by_depth_no_tag_is_asked_for(without_tags: Rpc) -> None:
    assert "3 behind is final (depth 3)" in await doctoring._node(
        without_tags, chain(FinalityPolicy("depth", 3))
    )


@pytest.mark.parametrize(
    ("quorum", "says"), [(1, "quorum = 2 asks most of them"), (2, "2 of 3 decide what is final")]
)
def test_it_is_said_when_few_of_the_nodes_decide(quorum: int, says: str) -> None:
    nodes = tuple(NodeSettings(f"http://node-{n}") for n in range(3))

    assert doctoring._deciding(replace(chain(None), rpc=nodes, quorum=quorum)).endswith(says)


@pytest.mark.parametrize(("days", "says"), [(15, "14 days left"), (13, "ends in 12 days")])
async def test_way_to_the_signer_is_walked_and_a_certificate_near_its_end_is_told(
    tmp_path: Path, days: int, says: str
) -> None:
    ca, ends, port = trustme.CA(), datetime.now(UTC) + timedelta(days=days), free_port("127.0.0.1", 0)
    for name, end in (("localhost", None), ("submitter-1", ends)):
        made = ca.issue_cert(name, not_after=end)
        made.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        made.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    signer = settings_of(
        tmp_path, "localhost", LISTEN=f"localhost:{port}", CLIENTS="submitter-1=0x" + "11" * 20
    )
    [(at, asking)] = doors(signer).values()
    server = SignerServer(Signer(None, [], StageClock()), at, asking)
    await server.open()

    findings = await doctoring.examine(settings_of(tmp_path, "submitter-1", ADDRESS=f"localhost:{port}"))
    await server.close()
    silent = await doctoring.examine(settings_of(tmp_path, "submitter-1", ADDRESS=f"localhost:{port}"))

    [found] = [each for each in findings if each["check"] == "signer"]
    assert says in found["says"]
    assert (found["state"] == "ok") == (days > 14)
    [gone] = [each for each in silent if each["check"] == "signer"]
    assert (gone["state"], "bascule signer" in gone["remedy"]) == ("failed", True)


def settings_of(folder: Path, name: str, **others: str) -> Settings:
    """Settings of a side with the certificate of `name`."""
    files = {"TLS_CERTIFICATE": f"{name}.pem", "TLS_KEY": f"{name}.key", "TLS_CA": "ca.pem"}
    told = {**others, **{key: str(folder / file) for key, file in files.items()}}
    return load({f"BASCULE_SIGNER_{key}": each for key, each in told.items()})
