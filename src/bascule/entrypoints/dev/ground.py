"""What must stand on a development chain before the bridge can: contracts, a token, money in the right hands.

Every step looks first and sends only what is missing, so that an interrupted start is completed by the next.
Addresses are known beforehand, so all of it can wait for one block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bascule.chain import deployed, deployment
from bascule.chain.abi import artifact
from bascule.chain.rpc import Rpc
from bascule.domain import forwarder
from bascule.domain.chain import Address
from bascule.domain.errors import Rejected
from bascule.entrypoints.dev.wallet import Wallet, balance_of, hexed, receipt
from bascule.entrypoints.devchain.accounts import DevAccount, dev_account, dev_accounts
from bascule.entrypoints.devchain.node import DevChain
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints

DOLLAR = ("USD Coin", "USDC")
UNIT = 10**6  # base units of one test dollar
FLOAT = 1_000_000 * UNIT
CUSTOMER_MONEY = 1_000_000 * UNIT
LANE_WEI = 100 * 10**18
LANE = 0
VAULT_LIMIT = 10_000_000 * UNIT
VAULT_WINDOW_S = 24 * 3600
DEPLOY_GAS = 5_000_000
QUIET_S = 0.02


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays what among the well-known accounts. The deployer owns all and is the treasury source.

    suspect: the one after those that every node has with coin; it stands on the sandbox's sanctions list.
    """

    deployer: DevAccount
    treasury: DevAccount
    canceller: DevAccount
    collector: DevAccount
    customers: Sequence[DevAccount]
    suspect: DevAccount


@dataclass(frozen=True, slots=True)
class Ground:
    """What stands on the chain. ready_block: everything is there at its end."""

    chain_id: int
    vault: Address
    deposit_factory: Address
    forwarder: Address
    collector: Address
    treasury_source: Address
    token: Address
    ready_block: int


def cast() -> Cast:
    """The well-known accounts by their parts."""
    accounts = dev_accounts()
    return Cast(accounts[0], accounts[1], accounts[2], accounts[3], accounts[4:], dev_account(len(accounts)))


async def lay(
    rpc: Rpc,
    chain_id: int,
    lane_wallet: Address,
    failpoints: Failpoints = NO_FAILPOINTS,
    *,
    spenders: Sequence[Address] = (),
) -> Ground:
    """Puts on the chain what is missing and waits until it stands. spenders: are given coin for gas, too.

    Raises: Rejected when this cannot be a development chain, Halted when a step or code is not as it must be.
    """
    part = cast()
    deployer = Wallet(rpc, chain_id, part.deployer.private_key, failpoints)
    await _require_dev_chain(rpc, deployer)
    collector = _address(part.collector)
    plan = deployment.plan(
        deployment.Roles(
            owner=deployer.address,
            treasury=_address(part.treasury),
            guardian=deployer.address,
            canceller=_address(part.canceller),
            collector_delay_s=0,
        )
    )
    token = deployment.plan_token(*DOLLAR, deployer.address)
    await _require_own_lane(rpc, plan.vault.address, lane_wallet)
    await deployer.settled()  # a set-up that was killed may have sent what would be found missing otherwise
    sent: list[str] = []
    for each in (plan.factory, plan.vault, token):
        if await _code(rpc, each.address) == b"":
            sent.append(await deployer.send(deployment.PROXY, each.calldata, gas=DEPLOY_GAS))
    vault, factory = plan.vault.address, plan.factory.address
    if await _ask(rpc, factory, "DepositFactory", "collector") == 0:
        sent.append(await _tell(deployer, factory, "DepositFactory", "setCollector", bytes(collector)))
    if await _ask(rpc, vault, "PayoutVault", "operator", LANE) != int.from_bytes(lane_wallet, "big"):
        sent.append(await _tell(deployer, vault, "PayoutVault", "setLane", LANE, bytes(lane_wallet)))
    if await _ask(rpc, vault, "PayoutVault", "limitOf", bytes(token.address)) == 0:
        sent.append(
            await _tell(
                deployer, vault, "PayoutVault", "setLimit", bytes(token.address), VAULT_LIMIT, VAULT_WINDOW_S
            )
        )
    sent += await _money(rpc, deployer, part, token.address, vault)
    for wallet in (lane_wallet, _address(part.suspect), *spenders):
        if await _coin(rpc, wallet) < LANE_WEI // 10:
            sent.append(await deployer.send(wallet, value=LANE_WEI, gas=21_000))
    for tx_hash in sent:
        await receipt(rpc, tx_hash)
    ours = {each.address: each.artifact.name for each in (plan.factory, plan.vault, token)}
    await deployed.require_code(rpc, ours)
    return Ground(
        chain_id=chain_id,
        vault=vault,
        deposit_factory=factory,
        forwarder=forwarder.implementation_address(factory),
        collector=collector,
        treasury_source=deployer.address,
        token=token.address,
        ready_block=int(await rpc.call("eth_blockNumber"), 16),
    )


async def lay_at_once(
    chain: DevChain, rpc: Rpc, lane_wallet: Address, spenders: Sequence[Address] = ()
) -> Ground:
    """As `lay`, on a chain that mines on demand: in as few blocks as the transactions come."""
    mining = asyncio.create_task(_mine_what_waits(chain, rpc))
    try:
        return await lay(rpc, chain.chain_id, lane_wallet, spenders=spenders)
    finally:
        mining.cancel()


async def _mine_what_waits(chain: DevChain, rpc: Rpc) -> None:
    """A block as soon as the deployer has sent and now waits; each block moves time on by a second."""
    deployer, before = cast().deployer.address, 0
    while True:
        sent, mined = [
            int(count, 16)
            for count in await rpc.batch(
                [("eth_getTransactionCount", (deployer, tag)) for tag in ("pending", "latest")]
            )
        ]
        if sent > mined and sent == before:
            await chain.mine()
        before = sent
        await asyncio.sleep(QUIET_S)


async def _money(rpc: Rpc, deployer: Wallet, part: Cast, token: Address, vault: Address) -> list[str]:
    """The float comes from the treasury source, which is how it becomes the operator's capital."""
    sent: list[str] = []
    for customer in (*part.customers, part.suspect):
        if await _held(rpc, token, _address(customer)) == 0:
            sent.append(
                await _tell(deployer, token, "TestDollar", "mint", bytes(_address(customer)), CUSTOMER_MONEY)
            )
    if await _held(rpc, token, vault) == 0:
        sent.append(await _tell(deployer, token, "TestDollar", "mint", bytes(deployer.address), FLOAT))
        sent.append(await deployer.transfer(token, vault, FLOAT))
    return sent


async def _require_dev_chain(rpc: Rpc, deployer: Wallet) -> None:
    if await _coin(rpc, deployer.address) < 4 * LANE_WEI:
        raise Rejected(
            "not_a_dev_chain",
            "the first well-known development account has no money on this node",
            param="rpc_url",
            next_step="use a local chain of the mnemonic 'test test … junk' (anvil), or leave out --rpc-url",
        )
    if await _code(rpc, deployment.PROXY) != deployment.PROXY_CODE:
        raise Rejected(
            "no_deployment_proxy",
            f"this chain has no deployment proxy at {hexed(deployment.PROXY)}",
            param="rpc_url",
            next_step="start the node with it (anvil has it), or leave out --rpc-url",
        )


async def _require_own_lane(rpc: Rpc, vault: Address, lane_wallet: Address) -> None:
    """A lane that paid for somebody else goes on from that one's last payout, which only its books know."""
    operator = await _ask(rpc, vault, "PayoutVault", "operator", LANE)
    if operator != int.from_bytes(lane_wallet, "big") and await _ask(rpc, vault, "PayoutVault", "head", LANE):
        raise Rejected(
            "chain_of_another_installation",
            f"the vault {hexed(vault)} on this node has paid for another installation",
            param="rpc_url",
            next_step="start the node anew, or name that installation's folder by --data-dir",
        )


def _address(account: DevAccount) -> Address:
    return Address(bytes.fromhex(account.address[2:]))


async def _code(rpc: Rpc, at: Address) -> bytes:
    return bytes.fromhex((await rpc.call("eth_getCode", hexed(at), "latest"))[2:])


async def _held(rpc: Rpc, token: Address, holder: Address) -> int:
    return 0 if await _code(rpc, token) == b"" else await balance_of(rpc, token, holder)


async def _coin(rpc: Rpc, holder: Address) -> int:
    return int(await rpc.call("eth_getBalance", hexed(holder), "latest"), 16)


async def _ask(rpc: Rpc, to: Address, contract: str, method: str, *arguments: object) -> int:
    """The first word a contract answers; 0 where it does not stand yet."""
    call = {"to": hexed(to), "data": hexed(artifact(contract).calldata(method, *arguments))}
    answer = await rpc.call("eth_call", call, "latest")
    return int(answer[:66], 16) if len(answer) >= 66 else 0


async def _tell(sender: Wallet, to: Address, contract: str, method: str, *arguments: object) -> str:
    return await sender.send(to, artifact(contract).calldata(method, *arguments))
