"""x402's own facilitator and we are asked the same; where we answer otherwise, it is said why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import ContractLogicError
from x402.mechanisms.evm.constants import MULTICALL3_ADDRESS
from x402.mechanisms.evm.exact import ExactEvmFacilitatorScheme
from x402.mechanisms.evm.signers import FacilitatorWeb3Signer
from x402.schemas import PaymentPayload, PaymentRequirements

from tests.support.authorizations import request
from tests.support.flushing import CUSTOMER
from tests.support.money_out import OpenAs
from tests.support.open_for_business import opened, till_of_today
from tests.support.paying_x402 import Till
from tests.support.sandbox import client_of

pytestmark = pytest.mark.slow
STRANGER = 9


@pytest.fixture
async def shop(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Till]:
    async with till_of_today(db_as, tmp_path) as built:
        yield built
        await built.world.require_even()


class Signer(FacilitatorWeb3Signer):
    """Theirs, on a chain without the contract that asks many things at once: they are asked one by one."""

    def read_contract(self, address: str, abi: list[dict[str, Any]], function_name: str, *args: Any) -> Any:
        if address != MULTICALL3_ADDRESS:
            return super().read_contract(address, abi, function_name, *args)
        return [self._asked(to, data) for to, data in args[1]]

    def _asked(self, to: str, data: bytes) -> tuple[bool, bytes]:
        try:
            return True, bytes(
                self._w3.eth.call({"to": Web3.to_checksum_address(to), "data": HexBytes(data)})
            )
        except ContractLogicError:
            return False, b""


async def oracle(shop: Till) -> ExactEvmFacilitatorScheme:
    """Their facilitator, with a wallet of its own."""
    key = shop.stage.node.accounts[STRANGER].private_key
    signer = await asyncio.to_thread(Signer, key, shop.stage.node.url)
    return ExactEvmFacilitatorScheme(signer)


async def theirs(facilitator: ExactEvmFacilitatorScheme, asked: dict[str, Any]) -> str:
    """Their verdict: valid, or the reason."""
    payload = PaymentPayload.model_validate(asked["paymentPayload"])
    required = PaymentRequirements.model_validate(asked["paymentRequirements"])
    said = await asyncio.to_thread(facilitator.verify, payload, required)
    return "valid" if said.is_valid else str(said.invalid_reason)


async def ours(shop: Till, asked: dict[str, Any]) -> str:
    """Our verdict."""
    said = await shop.ask("verify", asked)
    return "valid" if said["isValid"] else str(said["invalidReason"])


async def cases(shop: Till) -> dict[str, dict[str, Any]]:
    """Payments of each kind."""
    other, now = shop.stage.node.accounts[6].address, int(shop.stage.clock.now().timestamp())
    poor = shop.stage.node.accounts[STRANGER].address

    def signed(required: dict[str, Any] | None = None, by: int = CUSTOMER, **changes: str) -> dict[str, Any]:
        said = shop.authorization(**changes)
        return request(said, shop.signed(said, by), required or shop.requirements())

    def under(name: str, version: str) -> dict[str, Any]:
        """Signed as the server said, under a domain that is not the token's."""
        dollar, said = replace(shop.dollar, name=name, version=version), shop.authorization()
        key = shop.stage.node.accounts[CUSTOMER].private_key
        return request(said, dollar.signature(key, said), dollar.requirements(shop.pay_to, 10_000))

    used = shop.payment()
    await shop.stranger(used)
    foreign = signed()
    foreign["paymentRequirements"] = shop.requirements(network="eip155:1")
    return {
        "good": signed(),
        "expired": signed(validBefore=str(int(time.time()) - 60)),
        "not valid yet": signed(validAfter=str(now + 600)),
        "wrong recipient": signed(to=other),
        "wrong value": signed(value="9999"),
        "used nonce": used,
        "low balance": signed(by=STRANGER, **{"from": poor}),
        "another's signature": signed(by=STRANGER),
        "no domain": signed(shop.requirements(extra={})),
        "domain's name": under("USDC", "1"),
        "domain's version": under("Test Dollar", "2"),
        "other scheme": signed(shop.requirements(scheme="upto")),
        "two networks": foreign,
        "recipient who is no merchant of ours": signed(shop.requirements(payTo=other), to=other),
        "token that is no contract": signed(shop.requirements(asset=other)),
    }


# Where we answer otherwise, and why.
DIFFER = {
    "domain's version": "they ask the token, which tells nothing of it; we know what its contract confirmed",
    "recipient who is no merchant of ours": "gas is for our merchants' money alone",
    "token that is no contract": "we take the tokens we know, and ask nobody about others",
}


async def test_same_verdicts_as_x402s_own_facilitator_but_where_a_reason_is_named(shop: Till) -> None:
    facilitator = await oracle(shop)
    said = {
        name: (await theirs(facilitator, asked), await ours(shop, asked))
        for name, asked in (await cases(shop)).items()
    }

    assert {name for name, (their, our) in said.items() if their != our} == DIFFER.keys()
    assert said["good"] == ("valid", "valid")
    assert len({our for _, our in said.values()}) == len(said), "each has a reason of its own"
    assert await shop.stored() == []


async def test_payment_that_another_facilitator_had_made_is_a_success_here_however_often_asked(
    shop: Till,
) -> None:
    """Theirs says of its second time that it failed, though the money came: an obedient client pays again."""
    facilitator, asked = await oracle(shop), shop.payment()
    payload = PaymentPayload.model_validate(asked["paymentPayload"])
    required = PaymentRequirements.model_validate(asked["paymentRequirements"])
    async with opened(shop) as url, client_of(url, shop.secret) as client:
        their = [await asyncio.to_thread(facilitator.settle, payload, required) for _ in range(2)]
        our = [(await client.post("/x402/settle", json=asked)).json() for _ in range(2)]

    assert [each.success for each in their] == [True, False]
    assert [each["success"] for each in our] == [True, True]
    assert {each["transaction"] for each in our} == {their[0].transaction}
    assert await shop.received() == [10_000]
