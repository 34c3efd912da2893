"""The chain against the blueprint: every fact about our contracts, at one block.

Code first: a view is asked only of a contract whose code is the one in `abi/`, so that its answer counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from bascule.chain import deployed, heads
from bascule.chain.abi import artifact
from bascule.chain.caller import Caller
from bascule.chain.deployed import Question
from bascule.chain.deployment import PROXY, PROXY_CODE, Deployment
from bascule.chain.errors import NodeSays, RpcError
from bascule.chain.hexes import quantity
from bascule.chain.token_facts import domain_separator
from bascule.domain.chain import ZERO_ADDRESS, Address
from bascule.domain.hashing import keccak
from bascule.entrypoints.contracts import extras
from bascule.entrypoints.contracts.blueprint import Blueprint
from bascule.entrypoints.contracts.checks import MISSING, Check, Step, calling, deploying, shown
from bascule.settings.contracts import OwnerSettings

OURS = "as in abi/"
_DELEGATED = b"\xef\x01\x00"  # EIP-7702: a key-held account that borrows code

# Facts of a contract: method and arguments -> what it answered.
Facts = Mapping[tuple[Any, ...], Any]


async def examine(rpc: Caller, plan: Blueprint) -> list[Check]:
    """Every fact, in the order of the steps to take: code, roles, hand-over. Raises as `Caller.call`."""
    block = quantity((await heads.latest(rpc)).number)
    places = [PROXY, *plan.standing, *([plan.birth.owner.address] if plan.birth.owner else [])]
    codes = await deployed.codes(rpc, places, block)
    checks = [_proxy(codes[PROXY])]
    if plan.birth.owner:
        checks += await _owner(rpc, plan.birth.owner, codes[plan.birth.owner.address], block)
    code = [_code(plan, each, codes[each.address]) for each in plan.deployments]
    factory, vault, *dollars = (check.ok for check in code)
    checks += code
    if factory:
        checks.append(_forwarder_code(plan, codes[plan.forwarder]))
    asked = _questions(plan, factory=factory, vault=vault, dollars=dollars)
    answers = await deployed.ask(rpc, asked, block)
    facts = {(q.to, q.method, *q.arguments): value for q, value in zip(asked, answers, strict=True)}
    checks += _factory(plan, facts, standing=factory) + _vault(plan, facts, standing=vault)
    checks += await extras.granted(rpc, plan, block) if vault else []
    for planned, stands in zip(plan.dollars, dollars, strict=True):
        checks += _dollar(plan, planned, facts) if stands else []
    for planned, stands in ((plan.factory, factory), (plan.vault, vault)):
        checks += _ownership(plan, planned, facts, standing=stands)
    return checks


def _questions(plan: Blueprint, *, factory: bool, vault: bool, dollars: list[bool]) -> list[Question]:
    asked: list[tuple[Address, str, str, tuple[object, ...]]] = []
    if factory:
        at = plan.factory.address
        asked += [(at, "DepositFactory", m, ()) for m in ("delay", "implementation", "collector", "owner")]
        asked += [(at, "DepositFactory", m, ()) for m in ("pendingCollector", "pendingFrom", "pendingOwner")]
        asked.append((plan.forwarder, "DepositForwarder", "factory", ()))
    if vault:
        at = plan.vault.address
        asked += [(at, "PayoutVault", m, ()) for m in ("treasury", "guardian", "canceller")]
        asked += [(at, "PayoutVault", m, ()) for m in ("owner", "pendingOwner")]
        for lane in plan.roles.operators:
            asked += [(at, "PayoutVault", m, (lane,)) for m in ("operator", "retired")]
        asked += [(at, "PayoutVault", "limitOf", (limit.token,)) for limit in plan.roles.limits]
    for planned, stands in zip(plan.dollars, dollars, strict=True):
        names = ("name", "symbol", "DOMAIN_SEPARATOR", "owner") if stands else ()
        asked += [(planned.address, "TestDollar", name, ()) for name in names]
    return [Question(*each) for each in asked]


def _proxy(code: bytes) -> Check:
    found = OURS if code == PROXY_CODE else "other code" if code else MISSING
    return Check(
        "deployment proxy", PROXY, "code", OURS, found,
        remedy="nothing can be deployed until the proxy stands on this chain; "
        "docs/operating/contracts.md says who can put it there, and how",
    )  # fmt: skip


async def _owner(rpc: Caller, owner: OwnerSettings, code: bytes, block: str) -> list[Check]:
    """The wallet that is to own must be a contract with just these owners and this threshold."""
    kind = "contract wallet" if code and not code.startswith(_DELEGATED) else "key-held account"
    remedy = "make the contract wallet on this chain first, with these owners and this threshold"
    checks = [Check("owner", owner.address, "kind", "contract wallet", kind, remedy=remedy)]
    if not checks[0].ok:
        return checks
    expected = shown(sorted(owner.owners))
    found = await _view(rpc, owner.address, "getOwners()", "address[]", block)
    owners = "no answer" if found is None else shown(sorted(bytes.fromhex(each[2:]) for each in found))
    threshold = await _view(rpc, owner.address, "getThreshold()", "uint256", block)
    remedy = "correct contracts.owner in the configuration, or the wallet's own owners and threshold"
    return [
        *checks,
        Check("owner", owner.address, "owners", expected, owners, remedy=remedy),
        Check(
            "owner", owner.address, "threshold", str(owner.threshold),
            "no answer" if threshold is None else str(threshold), remedy=remedy,
        ),
    ]  # fmt: skip


async def _view(rpc: Caller, to: Address, signature: str, kind: str, block: str) -> Any:
    """What a contract that is not ours answers; None when it fails or answers something else."""
    call = {"to": "0x" + to.hex(), "data": "0x" + keccak(signature.encode())[:4].hex()}
    try:
        raw = bytes.fromhex((await rpc.call_as(str, "eth_call", call, block))[2:])
        return decode([kind], raw)[0]
    except DecodingError:
        return None
    except RpcError as error:
        if error.says not in (NodeSays.REVERTED, NodeSays.GAS_TOO_LOW, NodeSays.UNKNOWN):
            raise
        return None


def _code(plan: Blueprint, planned: Deployment, code: bytes) -> Check:
    found = OURS if planned.artifact.is_code(code) else "other code" if code else MISSING
    step = None if code else deploying(planned, plan.birth.deployer)
    return Check(
        planned.artifact.name, planned.address, "code", OURS, found, step,
        remedy="no transaction can mend that: use the version that was deployed, or ask another node",
    )  # fmt: skip


def _forwarder_code(plan: Blueprint, code: bytes) -> Check:
    found = OURS if artifact("DepositForwarder").is_code(code) else "other code" if code else MISSING
    return Check(
        "DepositForwarder", plan.forwarder, "code", OURS, found,
        remedy="the factory's constructor puts it there, so the node is wrong: ask another",
    )  # fmt: skip


def _factory(plan: Blueprint, facts: Facts, *, standing: bool) -> list[Check]:
    at, name, wanted = plan.factory.address, "DepositFactory", plan.roles.collector
    if not standing:
        step = calling(plan.birth.deployer, at, name, "setCollector", wanted)
        return [Check(name, at, "collector", shown(wanted), MISSING, step)]
    owner, current, pending = (facts[at, m] for m in ("owner", "collector", "pendingCollector"))
    later = "" if pending == ZERO_ADDRESS else f", from time {facts[at, 'pendingFrom']} {shown(pending)}"
    return [
        _born(name, at, "delay", plan.birth.collector_delay_s, facts[at, "delay"]),
        _born(name, at, "implementation", plan.forwarder, facts[at, "implementation"]),
        _born("DepositForwarder", plan.forwarder, "factory", at, facts[plan.forwarder, "factory"]),
        Check(
            name, at, "collector", shown(wanted), shown(current) + later,
            # the first collector is set; a later change is a person's decision
            calling(owner, at, name, "setCollector", wanted) if current == ZERO_ADDRESS else None,
            remedy="correct the configuration, or have the owner change the collector on the chain "
            "(setCollector and, after the delay, acceptCollector; unscheduleCollector drops a change)",
        ),
    ]  # fmt: skip


def _vault(plan: Blueprint, facts: Facts, *, standing: bool) -> list[Check]:
    at, name, birth, roles = plan.vault.address, "PayoutVault", plan.birth, plan.roles
    owner = facts[at, "owner"] if standing else birth.deployer
    checks = [_born(name, at, "treasury", birth.treasury, facts[at, "treasury"])] if standing else []
    for role, born, now in (
        ("guardian", birth.guardian, roles.guardian), ("canceller", birth.canceller, roles.canceller),
    ):  # fmt: skip
        wanted = now or born
        found = facts[at, role] if standing else born
        step = calling(owner, at, name, f"set{role.capitalize()}", wanted)
        checks.append(Check(name, at, role, shown(wanted), shown(found), step))
    for lane, operator in roles.operators.items():
        subject = f"operator of lane {lane}"
        if standing and facts[at, "retired", lane]:
            remedy = "a retired lane stays so: configure another"
            checks.append(Check(name, at, subject, shown(operator), "retired", remedy=remedy))
            continue
        found = shown(facts[at, "operator", lane]) if standing else MISSING
        step = calling(owner, at, name, "setLane", lane, operator)
        checks.append(Check(name, at, subject, shown(operator), found, step))
    for limit in roles.limits:
        subject = f"limit of {shown(limit.token)}"
        found = _limit(*facts[at, "limitOf", limit.token]) if standing else MISSING
        step = calling(owner, at, name, "setLimit", limit.token, limit.amount_atomic, limit.window_s)
        checks.append(Check(name, at, subject, _limit(limit.amount_atomic, limit.window_s), found, step))
    return checks


def _dollar(plan: Blueprint, planned: Deployment, facts: Facts) -> list[Check]:
    """A test dollar's immutables are those of its EIP-712 domain, which its separator commits to."""
    at, name = planned.address, "TestDollar"
    label, symbol = next(
        pair for pair, each in zip(plan.roles.test_dollars, plan.dollars, strict=True) if each == planned
    )
    return [
        _born(name, at, "name", label, facts[at, "name"]),
        _born(name, at, "symbol", symbol, facts[at, "symbol"]),
        _born(
            name, at, "domain", domain_separator(label, "1", plan.chain_id, at), facts[at, "DOMAIN_SEPARATOR"]
        ),
        _born(name, at, "owner", plan.birth.deployer, facts[at, "owner"]),
    ]


def _ownership(plan: Blueprint, planned: Deployment, facts: Facts, *, standing: bool) -> list[Check]:
    """Two steps: the deployer names the next owner, the next owner accepts."""
    at, name, deployer, final = planned.address, planned.artifact.name, plan.birth.deployer, plan.owner
    if not standing:
        if final == deployer:
            return []
        hand_over = calling(deployer, at, name, "transferOwnership", final)
        return [Check(name, at, "owner", shown(final), MISSING, hand_over)]
    owner, pending = facts[at, "owner"], facts[at, "pendingOwner"]
    found = shown(owner) + ("" if pending == ZERO_ADDRESS else f", handing over to {shown(pending)}")
    step: Step | None = None
    if owner == final:  # somebody it is being handed to is somebody too many
        step = calling(owner, at, name, "transferOwnership", ZERO_ADDRESS)
    elif owner == deployer:
        accepted = pending == final
        step = (
            calling(final, at, name, "acceptOwnership")
            if accepted
            else calling(deployer, at, name, "transferOwnership", final)
        )
    remedy = "somebody else owns it: find out who and why before anything else"
    return [Check(name, at, "owner", shown(final), found, step, remedy=remedy)]


def _born(contract: str, at: Address, subject: str, expected: Any, found: Any) -> Check:
    """A value fixed at deployment."""
    remedy = "fixed at deployment: correct the configuration, or deploy under another salt"
    return Check(contract, at, subject, shown(expected), shown(found), remedy=remedy)


def _limit(amount: int, window: int) -> str:
    return f"{amount} in {window} s"
