"""What a development chain needs is put there once, whoever asks again."""

import aiohttp
import pytest

from bascule.chain.abi import artifact
from bascule.chain.rpc import Rpc
from bascule.domain.chain import Address, parse_address
from bascule.domain.errors import Rejected
from bascule.domain.vault import pack_item
from bascule.entrypoints.dev import ground
from bascule.entrypoints.dev.wallet import Wallet, balance_of, receipt
from bascule.entrypoints.devchain.node import DevChain

LANE_WALLET = Address(b"\x11" * 20)


async def test_ground_is_laid_once_and_found_again() -> None:
    async with DevChain(block_time=0.1) as chain, aiohttp.ClientSession() as session:
        rpc = Rpc(chain.url, session=session, guard=lambda: None)
        first = await ground.lay(rpc, chain.chain_id, LANE_WALLET)
        height = chain.chain.index.head.number
        deployer = ground.cast().deployer.address
        sent = await rpc.call("eth_getTransactionCount", deployer, "pending")

        second = await ground.lay(rpc, chain.chain_id, LANE_WALLET)

        assert await rpc.call("eth_getTransactionCount", deployer, "pending") == sent
        assert (first.vault, first.token, first.deposit_factory) == (
            second.vault,
            second.token,
            second.deposit_factory,
        )
        assert first.ready_block <= height
        assert await balance_of(rpc, first.token, first.vault) == ground.FLOAT
        assert (
            int(await rpc.call("eth_getBalance", "0x" + LANE_WALLET.hex(), "latest"), 16) == ground.LANE_WEI
        )
        for customer in ground.cast().customers:
            held = await balance_of(rpc, first.token, parse_address(customer.address))
            assert held == ground.CUSTOMER_MONEY


async def test_ground_left_half_laid_is_completed() -> None:
    """As after a crash: the token stands, nothing else does."""
    async with DevChain(block_time=0.1) as chain, aiohttp.ClientSession() as session:
        rpc = Rpc(chain.url, session=session, guard=lambda: None)
        from bascule.chain import deployment

        deployer = Wallet(rpc, chain.chain_id, ground.cast().deployer.private_key)
        token = deployment.plan_token("USD Coin", "USDC", deployer.address)
        tx_hash = await deployer.send(deployment.PROXY, token.calldata, gas=ground.DEPLOY_GAS)
        await receipt(rpc, tx_hash)

        laid = await ground.lay(rpc, chain.chain_id, LANE_WALLET)

        assert laid.token == token.address
        assert await balance_of(rpc, laid.token, laid.vault) == ground.FLOAT


async def test_chain_whose_first_account_is_poor_is_no_development_chain() -> None:
    async with DevChain(block_time=0.1) as chain, aiohttp.ClientSession() as session:
        rpc = Rpc(chain.url, session=session, guard=lambda: None)
        rich = Wallet(rpc, chain.chain_id, ground.cast().deployer.private_key)
        sink = Address(b"\x22" * 20)
        await receipt(rpc, await rich.send(sink, value=999_900 * 10**18, gas=21_000))

        with pytest.raises(Rejected, match="has no money on this node"):
            await ground.lay(rpc, chain.chain_id, LANE_WALLET)


async def test_vault_that_paid_for_another_installation_is_refused_before_anything_is_sent() -> None:
    async with DevChain(block_time=0.1) as chain, aiohttp.ClientSession() as session:
        rpc = Rpc(chain.url, session=session, guard=lambda: None)
        customer = Wallet(rpc, chain.chain_id, ground.cast().customers[0].private_key)
        laid = await ground.lay(rpc, chain.chain_id, customer.address)
        await ground.lay(rpc, chain.chain_id, LANE_WALLET)  # nothing was paid yet: the lane changes hands
        await ground.lay(rpc, chain.chain_id, customer.address)
        item = pack_item(0, 1, customer.address)
        batch = (bytes(laid.token), ground.LANE, bytes(32), 0, [item], [bytes(16)], 2**64 - 1)
        pay = artifact("PayoutVault").calldata("pay", *batch)
        await receipt(rpc, await customer.send(laid.vault, pay, gas=1_000_000))
        deployer = ground.cast().deployer.address
        sent = await rpc.call("eth_getTransactionCount", deployer, "pending")

        with pytest.raises(Rejected, match="has paid for another installation"):
            await ground.lay(rpc, chain.chain_id, LANE_WALLET)

        assert await rpc.call("eth_getTransactionCount", deployer, "pending") == sent
        await ground.lay(rpc, chain.chain_id, customer.address)
