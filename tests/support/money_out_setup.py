"""What stands before a treasury's first payout: contracts on the chain, rows that administration writes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from eth_account import Account

from bascule.domain.chain import Address, parse_address
from bascule.domain.finality import FinalityPolicy
from bascule.domain.hashing import keccak
from bascule.domain.money import TokenAmount
from bascule.domain.policy import Rules, Tier
from bascule.entrypoints.devchain.accounts import DevAccount
from bascule.services.seams import SystemClock, SystemEntropy, new_id
from bascule.storage import (
    accounts,
    addresses,
    approvals,
    lanes,
    networks,
    policies,
    signer_limits,
    signer_rosters,
    signer_wallets,
    tokens,
)
from bascule.storage.database import Connection, Database
from bascule.storage.networks import Network
from bascule.storage.signer_limits import HardLimits
from bascule.storage.signer_rosters import Genesis
from bascule.storage.tokens import Token
from tests.support.chain import LocalNode, calldata, deploy_dollar

LANE, LANE_NAME = 0, "vault-0"
FLOAT = 100_000 * 10**6
LIMIT = 10_000 * 10**6
START = datetime(2027, 1, 1, tzinfo=UTC)


def approver(number: int) -> DevAccount:
    """A person with a key; the roster of the treasury holds 1, 2 and 3."""
    key = "0x" + keccak(b"approver %d" % number).hex()
    return DevAccount(Account.from_key(key).address, key)


async def set_policy(
    conn: Connection,
    account_id: str,
    token: Token,
    *,
    approvals: int | tuple[Tier, ...] = 2,
    max_per_payout: int,
    max_per_day: int,
    **rules: Any,
) -> str:
    """A new version of the account's policy for a test token; limits in base units. Returns its id."""
    limits = {
        name: TokenAmount(units, token.asset).to_money().units
        for name, units in {"max_per_payout": max_per_payout, "max_per_day": max_per_day}.items()
    }
    tiers = (Tier(0, approvals),) if isinstance(approvals, int) else approvals
    made = await policies.add(
        conn,
        id=new_id("pol", SystemClock(), SystemEntropy()),
        account_id=account_id,
        livemode=False,
        token_id=token.id,
        rules=Rules(tiers, **limits, **rules),
        created_by="cli",
        created_at=START,
    )
    return made.id


async def deploy_vault(node: LocalNode, quirk: str | None = None) -> tuple[str, str]:
    """The contracts, the lane's operator and limit, and the float: in as few blocks as their order allows.

    quirk: a token that misbehaves, by its name, in the dollar's place.
    """
    issuer, wallet, owner, guardian, canceller = node.accounts[:5]
    named = None if quirk is None else f"quirks/{quirk}"
    dollar = await (deploy_dollar(node, issuer) if named is None else node.deploy(issuer, named, [], []))
    vault = await node.deploy(
        issuer,
        "PayoutVault",
        ["address", "address", "address", "address"],
        [issuer.address, owner.address, guardian.address, canceller.address],
    )
    for to, signature, args in (
        (dollar, "mint(address,uint256)", [vault, FLOAT]),
        (vault, "setLane(uint32,address)", [LANE, wallet.address]),
        (vault, "setLimit(address,uint96,uint32)", [dollar, FLOAT, 86_400]),
    ):
        await node.send(issuer, to=to, data=calldata(signature, args))
    await node.dev.mine()
    return vault, dollar


async def write_rows(
    owner: Database, node: LocalNode, vault: str, dollar: str
) -> tuple[str, Network, Token]:  # fmt: skip
    """The rows that administration writes, in the bridge's schema and in the signer's."""
    chain_id, contract, wallet = (
        node.dev.chain_id,
        parse_address(dollar),
        parse_address(node.accounts[1].address),
    )
    at = parse_address(vault)
    network = Network(
        chain_id, "local", False, FinalityPolicy("finalized", 0), at, None, None, None, 0
    )  # fmt: skip
    token = Token("tok_usdt", chain_id, contract, "usdt", "Test Dollar", 6, True)
    people = [parse_address(approver(number).address) for number in (1, 2, 3)]
    async with owner.transaction() as conn:
        account = await accounts.create(
            conn, id="acct_treasury", kind="operator", name="Treasury", created_at=START
        )
        await networks.publish(conn, network)
        await tokens.publish(conn, token)
        await tokens.publish(conn, Token("tok_eth", chain_id, Address(bytes(20)), "eth", "Ether", 18, False))
        await addresses.add_own(conn, chain_id, at, "vault")
        await addresses.add_own(conn, chain_id, wallet, "wallet")
        await lanes.add_wallet(conn, chain_id, wallet, name=LANE_NAME)
        await lanes.open(conn, chain_id, lane=LANE, name=LANE_NAME, vault=at, wallet=wallet)
        for person in people:
            await approvals.add_approver(conn, account.id, person, roster_version=1)
        await set_policy(conn, account.id, token, max_per_payout=LIMIT, max_per_day=5 * LIMIT)
        await signer_rosters.begin(conn, Genesis(account.id, chain_id, at))
        await signer_rosters.add(conn, account.id, version=1, threshold=2, members=people)
        limits = HardLimits(LIMIT, 5 * LIMIT, 1_000 * 10**9, 16_000_000)
        await signer_limits.set(conn, chain_id, vault=at, token=contract, limits=limits)
        await signer_wallets.add(conn, chain_id, wallet)
    return account.id, network, token
