"""An operator ends a listing that no event of the token ended; the chain is asked first."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bascule.domain.chain import checksum, parse_address
from bascule.domain.errors import Conflict
from bascule.services import unlisting
from tests.support.chain import calldata
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def issuer(b: Bridge, signature: str, address: str) -> None:
    receipt = await b.node.transact(
        b.account(0), to=checksum(b.token.contract), data=calldata(signature, [address])
    )
    assert receipt["status"] == "0x1", signature


async def ended(b: Bridge, address: str, *, accept_risk: bool = False) -> bool:
    """What the command does; whether the chain bore it out."""
    looked = await unlisting.look(b.owner, b.rpc(), b.token.id, parse_address(address))
    async with b.owner.transaction() as conn:
        await unlisting.end(conn, looked, reason="their letter", accept_risk=accept_risk, clock=b.clock)
    return looked.moves


@pytest.mark.parametrize(
    "silently", [True, False], ids=["taken off without a word", "at the operator's risk"]
)
async def test_money_at_a_listed_address_is_credited_once_an_operator_ends_the_listing(
    b: Bridge, silently: bool
) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    address = deposit_address(intent)
    await b.pay(intent, "10.00")
    await issuer(b, "blacklist(address)", address)
    await b.finalize(watcher)
    with pytest.raises(Conflict, match="it is listed still"):
        await ended(b, address)
    if silently:
        await issuer(b, "unBlacklist(address)", address)
        await b.settle_down(watcher)
        async with b.owner.transaction() as conn:
            await conn.execute("DELETE FROM contract_events WHERE kind = 'unblacklisted'")
        await b.finalize(watcher)
        assert await b.deposits("finalized") == [], "the token said nothing of it"

    assert await ended(b, address, accept_risk=not silently) is silently
    await b.mine()
    await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.rows("SELECT type, state FROM breaks") == [("address_listed", "resolved")]
    [(details,)] = await b.rows("SELECT details FROM audit_log WHERE action = 'token.unlist'")
    assert (details["shown"], details["reason"]) == (silently, "their letter")
    with pytest.raises(Conflict, match="on no list"):
        await ended(b, address)
