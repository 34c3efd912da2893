"""A treasury that moves to another vault, as the runbook says: put up, published, limits and lane opened."""

from __future__ import annotations

from dataclasses import replace

from bascule.domain.chain import checksum, parse_address
from bascule.storage import addresses, lanes, networks, signer_limits, signer_wallets
from bascule.storage.signer_limits import HardLimits
from tests.support.chain import calldata
from tests.support.money_out import FLOAT, LIMIT, Treasury

NEXT_LANE = 1


async def move_to_another_vault(stage: Treasury, *, account: int = 5) -> str:
    """The chain pays from a funded new vault now; the name of its lane, run by this account's wallet."""
    node, wallet = stage.node, stage.node.accounts[account].address
    issuer, _, owner, guardian, canceller = node.accounts[:5]
    vault = await node.deploy(
        issuer,
        "PayoutVault",
        ["address", "address", "address", "address"],
        [issuer.address, owner.address, guardian.address, canceller.address],
    )
    contract = stage.token.contract
    for to, signature, args in (
        (checksum(contract), "mint(address,uint256)", [vault, FLOAT]),
        (vault, "setLane(uint32,address)", [NEXT_LANE, wallet]),
        (vault, "setLimit(address,uint96,uint32)", [checksum(contract), FLOAT, 86_400]),
    ):
        sent = await node.transact(issuer, to=to, data=calldata(signature, args))
        assert sent["status"] == "0x1", signature
    at, by, chain_id = parse_address(vault), parse_address(wallet), stage.network.chain_id
    stage.network = replace(stage.network, vault=at)
    name = f"vault-{NEXT_LANE}"
    async with stage.owner.transaction() as conn:
        await networks.publish(conn, stage.network)
        await addresses.add_own(conn, chain_id, at, "vault")
        await addresses.add_own(conn, chain_id, by, "wallet")
        limits = HardLimits(LIMIT, 5 * LIMIT, 1_000 * 10**9, 16_000_000)
        await signer_limits.set(conn, chain_id, vault=at, token=contract, limits=limits)
        await lanes.add_wallet(conn, chain_id, by, name=name)
        await lanes.open(conn, chain_id, lane=NEXT_LANE, name=name, vault=at, wallet=by)
        await signer_wallets.add(conn, chain_id, by)
    stage.left.append(stage.vault)
    stage.vault = vault
    await stage.follow(3)
    return name
