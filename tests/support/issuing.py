"""Tokens that stories bring along, and what their issuers do."""

from __future__ import annotations

from dataclasses import replace

from bascule.domain.chain import checksum, parse_address
from bascule.storage import tokens
from bascule.storage.tokens import Token
from tests.support.chain import calldata
from tests.support.money_in import FUNDS, Bridge

ISSUER = 0  # the account that deploys every token


async def accept(b: Bridge, contract: str, token_id: str, currency: str = "usdt") -> Token:
    """The contract is a token of ours from now on, and the one that stories pay in."""
    for number in (1, 2, 3):
        data = calldata("mint(address,uint256)", [b.account(number).address, FUNDS])
        await b.node.send(b.account(ISSUER), to=contract, data=data)
    await b.mine(5)
    made = Token(token_id, b.network.chain_id, parse_address(contract), currency, "Another", 6, True)
    async with b.owner.transaction() as conn:
        await tokens.publish(conn, replace(b.token, offered=False))
        b.token = await tokens.publish(conn, made)
    return made


async def accept_quirk(b: Bridge, quirk: str) -> Token:
    contract = await b.node.deploy(b.account(ISSUER), f"quirks/{quirk}", [], [])
    return await accept(b, contract, "tok_quirk")


async def issuer(b: Bridge, signature: str, *values: str) -> str:
    """The issuer does something to its token, in a block of its own."""
    tx_hash = await b.node.send(
        b.account(ISSUER), to=checksum(b.token.contract), data=calldata(signature, list(values))
    )
    await b.mine()
    return tx_hash


async def suspended(b: Bridge) -> str | None:
    async with b.db.read() as conn:
        found = await tokens.get(conn, b.token.id)
    assert found is not None
    return found.suspended
