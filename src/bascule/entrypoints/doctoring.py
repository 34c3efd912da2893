"""The examination behind `bascule doctor`: each check by itself, each finding with its remedy."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from bascule.chain import deployed, erc20, families, heads
from bascule.chain.caller import Caller
from bascule.chain.errors import NodeSays, RpcError
from bascule.domain.chain import ZERO_ADDRESS, Address, caip2, checksum
from bascule.domain.errors import BasculeError
from bascule.domain.finality import FinalityPolicy
from bascule.entrypoints import signing_keys, token_checks, wiring
from bascule.entrypoints.descriptors import raise_limit
from bascule.entrypoints.failures import next_step_of
from bascule.entrypoints.remembering import log_seen
from bascule.entrypoints.signer_client import SignerClient
from bascule.entrypoints.signer_doors import asked_at
from bascule.entrypoints.wiring import ChainSettings, Settings
from bascule.services import restore
from bascule.services.flights import OTHERS, QUICK_LANE, fitting
from bascule.storage import gas, health, lanes, overview, signer_flush_limits, signer_wallets
from bascule.storage.roles import PROCESSES

if TYPE_CHECKING:
    from bascule.entrypoints.service_wallets import Name

LAG_S = 120
CLOCK_S = 2.0
RENEWAL = timedelta(days=14)  # how long before its end a certificate is worth a word

Finding = dict[str, Any]


async def examine(settings: Settings) -> list[Finding]:
    """All findings; state is ok, unset or failed. Never raises for what it finds."""
    findings = [await _check("open files", partial(_open_files, settings))]
    for role in PROCESSES:
        if getattr(settings, f"database_url_{role}") or settings.database_url:
            findings.append(await _check(f"database as {role}", partial(_database, settings, role)))
        else:
            findings.append(
                _finding(f"database as {role}", "unset", "no URL", f"set BASCULE_DATABASE_URL_{role.upper()}")
            )
    if settings.database_url_api or settings.database_url:
        findings.append(await _check("deposit addresses", partial(_addresses, settings)))
        findings.append(await _check("gas", partial(_gas, settings)))
        findings.append(await _check("lanes", partial(_lanes, settings)))
        findings.append(await _check("headers", partial(_headers, settings)))
    async with wiring.nodes(settings, lambda: None) as rpcs:
        for chain in settings.chains:
            rpc = rpcs[chain.id]
            for node in rpc.nodes:
                called = (
                    f"node {node.name} of {chain.name}" if len(rpc.nodes) > 1 else f"node of {chain.name}"
                )
                findings.append(await _check(called, partial(_node, node.rpc, chain)))
            if len(rpc.nodes) > 1:
                findings.append(_finding(f"nodes of {chain.name}", "ok", _deciding(chain), ""))
            places = {each.address: each.contract for each in settings.deployments if each.chain == chain.id}
            if places:
                findings.append(await _check(f"contracts on {chain.name}", partial(_contracts, rpc, places)))
            for token in chain.tokens:
                called = f"{token.currency} on {chain.name}"
                findings.append(await _check(called, partial(token_checks.check, rpc, chain.id, token)))
    if not settings.chains:
        findings.append(
            _finding("nodes", "unset", "no chain is configured", "set BASCULE_CHAINS=CHAIN_ID=URL")
        )
    if settings.signer_socket is not None or settings.signer_address is not None:
        findings.append(await _check("signer", partial(_signer, settings)))
    if settings.signer_keystore is None and settings.signer_kms_key_id is None:
        findings.append(
            _finding("keystore", "unset", "no keystore and no KMS key", "set one where the signer runs")
        )
    else:
        findings.append(await _check("keystore", partial(_keystore, settings)))
    services: dict[Name, Callable[[Settings, ChainSettings], Awaitable[str]]] = {
        "sweeper": _sweeper, "canceller": _canceller,
    }  # fmt: skip
    for name, registered in services.items():
        if signing_keys.is_set(settings, name):
            findings.append(await _check(f"{name}'s key", partial(_opens, settings, name)))
            for chain in settings.chains:
                findings.append(await _check(f"{name} of {chain.name}", partial(registered, settings, chain)))
    return findings


async def _check(name: str, examination: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return _finding(name, "ok", await examination(), "")
    except BasculeError as error:
        return _finding(name, "failed", str(error), next_step_of(error))


def _finding(check: str, state: str, says: str, remedy: str) -> Finding:
    return {"check": check, "state": state, "says": says, "remedy": remedy}


async def _database(settings: Settings, role: str) -> str:
    """Answers, schema current, rights exactly the role's, clocks agree."""
    async with wiring.database(settings, role) as db, db.read() as conn:
        found = await overview.now(conn)
    apart = abs((found["now"] - datetime.now(UTC)).total_seconds())
    if apart > CLOCK_S:
        raise wiring.Unfit(f"our clock and the database's are {apart:.1f} s apart", "set both by NTP")
    return f"PostgreSQL {found['version'].split()[0]}, login {found['login']}, schema current"


async def _open_files(settings: Settings) -> str:
    """As many webhooks fit into them as may be sent at once."""
    granted, wanted = raise_limit(), settings.webhook_in_flight
    quick, slow = fitting(granted, wanted)
    says = f"{granted} at once; webhooks: {quick} to quick receivers, {slow} to slow ones"
    if slow < wanted or quick < QUICK_LANE:
        raise wiring.Unfit(
            f"{says}, {wanted} are set",
            f"raise the hard limit (ulimit -Hn) to {wanted + QUICK_LANE + OTHERS}",
        )
    return says


async def _addresses(settings: Settings) -> str:
    """Nothing shows that the database was restored without a check."""
    seen = log_seen(settings.state_folder, keeps=False)
    async with wiring.database(settings, "api") as db, db.read() as conn:
        await restore.require_checked(conn, settings.deposit_epoch, seen)
    return f"epoch {settings.deposit_epoch}, as in the database"


async def _gas(settings: Settings) -> str:
    """No wallet is short of coin, as its lane told last."""
    async with wiring.database(settings, "api") as db, db.read() as conn:
        standing = await gas.standing(conn)
    short = [
        f"{caip2(chain_id)}/{tank.name} {checksum(tank.wallet)}" for chain_id, tank in standing if tank.short
    ]
    if short:
        raise wiring.Unfit(
            f"short of coin for gas: {', '.join(short)}",
            "send coin there, or to the gas wallet and open a route: docs/operating/gas.md",
        )
    return f"{len(standing)} wallets can pay for theirs"


async def _lanes(settings: Settings) -> str:
    """None was found to be out of step with its chain or the signer."""
    async with wiring.database(settings, "api") as db, db.read() as conn:
        closed = await lanes.closed(conn)
    if closed:
        said = "; ".join(f"{lane} is closed: {why}" for lane, why in closed.items())
        raise wiring.Unfit(said, "run `bascule restore check`")
    return "none is closed"


async def _headers(settings: Settings) -> str:
    """No listed chain goes on by agreement of its nodes, as its headers were learned to prove nothing."""
    async with wiring.database(settings, "api") as db, db.read() as conn:
        found = [each for each in await health.followed(conn) if each.unproven is not None]
    said = [f"{caip2(each.chain_id)} proves no {each.unproven} by its headers: nodes agree" for each in found]
    if any(families.of(each.chain_id) is not None for each in found):
        raise wiring.Unfit(
            "; ".join(said),
            "upgrade to a version that knows its spelling, then `bascule watcher forget-headers`",
        )
    return "; ".join(said) or "those of every chain count"


def _deciding(chain: ChainSettings) -> str:
    """How many nodes decide what is final, and whether the others could outvote them."""
    most = len(chain.rpc) // 2 + 1
    said = f"{chain.quorum} of {len(chain.rpc)} decide what is final"
    return (
        said
        if chain.quorum >= most
        else f"{said}, the others do not count; quorum = {most} asks most of them"
    )


async def _node(rpc: Caller, chain: ChainSettings) -> str:
    """Right chain, fresh head, the tag that finality needs, and what addresses hold where it reaches."""
    began = time.monotonic()
    await heads.require_chain(rpc, chain.id)
    took = (time.monotonic() - began) * 1000
    latest = await heads.latest(rpc)
    lag = time.time() - latest.ref.time
    if lag > LAG_S:
        raise wiring.Unfit(f"its newest block is {lag:.0f} s old", "ask its operator, or use another node")
    policy = chain.finality or FinalityPolicy("finalized")
    behind = policy.depth if policy.kind == "depth" else latest.number - await _tagged(rpc, policy.kind)
    await _require_state(rpc, max(0, latest.number - behind))
    return f"chain {chain.id}, block {latest.number}, {behind} behind is final ({policy}), {took:.0f} ms"


async def _require_state(rpc: Caller, height: int) -> None:
    """Balances are held against logs there, before anything is credited."""
    try:
        await erc20.balances(rpc, [(ZERO_ADDRESS, ZERO_ADDRESS)], height)
    except RpcError as error:
        if error.says is not NodeSays.UNKNOWN_BLOCK:
            raise
        raise wiring.Unfit(
            f"it keeps no balances of block {height}, which is final, to hold against logs: {error}",
            "use a node that keeps more state (an archive node always does)",
        ) from None


async def _tagged(rpc: Caller, tag: str) -> int:
    try:
        return (await heads.tagged(rpc, tag)).number
    except RpcError as error:
        raise wiring.Unfit(
            f"it names no {tag} block, so nothing becomes final: {error}",
            "use another node, or name a depth: finality = { depth = N } in [[chains]]",
        ) from None


async def _contracts(rpc: Caller, places: dict[Address, str]) -> str:
    """Each has the code this version knows; `bascule contracts verify` looks at their roles too."""
    await deployed.require_code(rpc, places)
    return f"{len(places)} have the code of abi/"


async def _signer(settings: Settings) -> str:
    """It answers, listens to us, and no certificate on the way ends soon."""
    at = asked_at(settings)
    async with SignerClient(at, guard=lambda: None) as client:
        found = await client.reach()
    ends = [each for each in (found.our_end, found.its_end) if each is not None]
    if not ends:
        return f"answers at {at}, takes us for {found.peer}"
    left = min(ends) - datetime.now(UTC)
    if left < RENEWAL:
        raise wiring.Unfit(
            f"a certificate between us and {at} ends in {left.days} days", "renew it, and restart both sides"
        )
    return f"answers at {at} over TLS 1.3, takes us for {found.peer}; {left.days} days left"


async def _keystore(settings: Settings) -> str:
    wallets = [checksum(key.address) for key in await signing_keys.lanes(settings)]
    return f"opens, wallet {', '.join(wallets)}"


async def _opens(settings: Settings, name: Name) -> str:
    return f"opens, wallet {checksum(await _wallet(settings, name))}"


async def _wallet(settings: Settings, name: Name) -> Address:
    key = await signing_keys.service(settings, name)
    assert key is not None, "asked only where one is configured"
    return key.address


async def _canceller(settings: Settings, chain: ChainSettings) -> str:
    """The signer, by its own rows, lets the key configured here call payouts off."""
    wallet = await _wallet(settings, "canceller")
    async with wiring.database(settings, "signer") as db, db.read() as conn:
        known = await signer_wallets.lock(conn, chain.id, wallet)
    if known is None or known.role != "canceller":
        raise wiring.Unfit(
            f"the signer does not know {checksum(wallet)} as its canceller",
            f"run: bascule canceller register --chain {chain.name}",
        )
    return checksum(wallet)


async def _sweeper(settings: Settings, chain: ChainSettings) -> str:
    """The signer, by its own rows, flushes every token configured there with the key configured here."""
    wallet = await _wallet(settings, "sweeper")
    factory = next(
        (d.address for d in settings.deployments if (d.chain, d.contract) == (chain.id, "DepositFactory")),
        None,
    )
    async with wiring.database(settings, "signer") as db, db.read() as conn:
        known = await signer_wallets.lock(conn, chain.id, wallet)
        without = [
            token.currency
            for token in chain.tokens
            if factory is None
            or await signer_flush_limits.current(conn, chain.id, factory, token.contract) is None
        ]
    remedy = f"run: bascule sweeper register --chain {chain.name} --max-fee-gwei …"
    if known is None or known.role != "sweeper":
        raise wiring.Unfit(f"the signer does not know {checksum(wallet)} as its sweeper", remedy)
    if without:
        raise wiring.Unfit(f"the signer has no limits for {', '.join(without)}", remedy)
    return f"{checksum(wallet)}, limits for {len(chain.tokens)} tokens"
