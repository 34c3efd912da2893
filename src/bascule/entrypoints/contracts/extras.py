"""What a vault grants beyond the configuration: operators and limits that nobody configured.

A view answers only what it is asked, so the vault's own events tell what was ever granted; each is then asked
for by name.
"""

from __future__ import annotations

import msgspec

from bascule.chain import deployed
from bascule.chain.caller import Caller
from bascule.chain.deployed import Question
from bascule.chain.errors import NodeSays, RpcError
from bascule.chain.hexes import data
from bascule.chain.vault import LANE_SET
from bascule.domain.chain import Address
from bascule.domain.hashing import keccak
from bascule.entrypoints.contracts.blueprint import Blueprint
from bascule.entrypoints.contracts.checks import NOBODY, Check, shown

LIMIT_SET = keccak(b"LimitSet(address,uint96,uint32)")
_METHOD = "eth_getLogs"
_NAME = "PayoutVault"
_NOT_ASKED = (NodeSays.TOO_MANY_RESULTS, NodeSays.METHOD_MISSING)


class _Log(msgspec.Struct):
    topics: list[str]


async def granted(rpc: Caller, plan: Blueprint, block: str) -> list[Check]:
    """One failing fact for each operator and limit that the configuration does not have.

    A node that does not answer for the whole chain at once makes one failing fact too: nobody knows then.
    """
    at = plan.vault.address
    wanted = {
        "address": "0x" + at.hex(),
        "fromBlock": "0x0",
        "toBlock": block,
        "topics": [["0x" + LANE_SET.hex(), "0x" + LIMIT_SET.hex()]],
    }
    try:
        logs = await rpc.call_as(list[_Log], _METHOD, wanted)
    except RpcError as error:
        if error.says not in _NOT_ASKED:
            raise
        remedy = "ask a node that answers eth_getLogs of one address over the whole chain"
        return [Check(_NAME, at, "lanes and limits ever set", "told", "the node refuses", remedy=remedy)]
    told = {
        (topic, key) for topic, key in ([data(t, 32, method=_METHOD) for t in log.topics[:2]] for log in logs)
    }
    lanes = {int.from_bytes(key, "big") for topic, key in told if topic == LANE_SET}
    tokens = {Address(key[12:]) for topic, key in told if topic == LIMIT_SET}
    known = {limit.token for limit in plan.roles.limits}
    return [
        *await _operators(rpc, at, sorted(lanes - set(plan.roles.operators)), block),
        *await _limits(rpc, at, sorted(tokens - known), block),
    ]


async def _operators(rpc: Caller, at: Address, lanes: list[int], block: str) -> list[Check]:
    asked = [Question(at, _NAME, method, (lane,)) for lane in lanes for method in ("operator", "retired")]
    answers = await deployed.ask(rpc, asked, block)
    remedy = "configure the lane, or have the owner take the operator away (setLane with the zero address)"
    return [
        Check(_NAME, at, f"operator of lane {lane}", NOBODY, shown(operator), remedy=remedy)
        for lane, operator, retired in zip(lanes, answers[::2], answers[1::2], strict=True)
        if any(operator) and not retired
    ]


async def _limits(rpc: Caller, at: Address, tokens: list[Address], block: str) -> list[Check]:
    answers = await deployed.ask(rpc, [Question(at, _NAME, "limitOf", (token,)) for token in tokens], block)
    remedy = "configure the limit, or have the owner set its amount to zero"
    return [
        Check(_NAME, at, f"limit of {shown(token)}", "none", f"{amount} in {window} s", remedy=remedy)
        for token, (amount, window) in zip(tokens, answers, strict=True)
        if amount
    ]
