"""The address book over HTTP: checked when written, vouched for by a second person, named by payouts."""

from __future__ import annotations

from typing import Any

import httpx
from eth_account import Account
from eth_account.messages import encode_typed_data

from bascule.domain.chain import Address, checksum, parse_address
from bascule.storage import addresses
from tests.support.api import LOCAL, VAULT, Shop
from tests.support.cases import case
from tests.support.money_out_setup import approver

PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
ENTRY = {"label": "Landlord", "network": "eip155:31337", "address": PAYEE}
PAYOUT = {"amount": "100.00", "currency": "usdc", "network": "eip155:31337"}


async def add(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await client.post("/v1/destinations", json=ENTRY | changes)


async def verify(client: httpx.AsyncClient, entry: dict[str, Any], number: int, **changes: Any) -> Any:
    person = approver(number)
    signed = Account.sign_message(
        encode_typed_data(full_message=entry["next_action"]["typed_data"]), person.private_key
    )
    body = {"approver": person.address, "signature": "0x" + bytes(signed.signature).hex()} | changes
    headers = {"idempotency-key": f"verify-{number}"}
    return await client.post(f"/v1/destinations/{entry['id']}/verify", json=body, headers=headers)


async def ask(client: httpx.AsyncClient, payee: str) -> httpx.Response:
    body = PAYOUT | {"destination": payee, "client_reference_id": f"to-{payee}"}
    return await client.post("/v1/payouts", json=body, headers={"idempotency-key": f"pay-{payee}"})


async def restrict(shop: Shop, client: httpx.AsyncClient, **rules: Any) -> None:
    body = {"approvals": [{"required": 2}], "token": shop.tokens["local"].id} | rules
    answer = await client.post("/v1/policies", json=body)
    assert answer.status_code == 200, answer.text


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def test_a_payout_may_name_an_entry_of_the_address_book(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        entry = (await add(client)).json()
        paid = (await ask(client, entry["id"])).json()
        listed = (await client.get(f"/v1/payouts?destination={entry['id']}")).json()["data"]

    assert (paid["destination"], paid["to"]) == (entry["id"], PAYEE)
    assert [each["id"] for each in listed] == [paid["id"]]
    async with shop.owner.read() as conn:
        told = await (await conn.execute("SELECT type, object_id FROM outbox ORDER BY id")).fetchall()
    assert told[0] == ("destination.created", entry["id"])


async def test_a_second_person_vouches_for_an_address(shop: Shop, treasury: str) -> None:
    maker = parse_address(approver(1).address)
    async with shop.client((await shop.key(shop.operator, holder=maker)).secret) as client:
        entry = (await add(client)).json()
        own = await verify(client, entry, 1)
        stranger = await verify(client, entry, 9)
        wrong = await verify(client, entry, 2, signature="0x" + "01" * 64 + "1b")
        done = (await verify(client, entry, 3)).json()
        again = (await verify(client, entry, 2, signature="0x" + "01" * 65)).json()

    assert set(entry["next_action"]["approvers"]) == {approver(2).address, approver(3).address}
    assert (own.status_code, code(own)) == (403, "approver_is_requester")
    assert (stranger.status_code, code(stranger)) == (403, "approver_unknown")
    assert code(wrong) in {"signature_mismatch", "signature_invalid"}
    assert (done["verified"]["approver"], done["next_action"]) == (approver(3).address, None)
    assert again["verified"] == done["verified"]
    async with shop.owner.read() as conn:
        told = await (await conn.execute("SELECT type, object_id FROM outbox ORDER BY id")).fetchall()
    assert told[1:] == [("destination.verified", entry["id"])]


async def test_a_policy_may_pay_the_address_book_alone_or_what_is_verified_there(
    shop: Shop, treasury: str
) -> None:
    async with shop.client(treasury) as client:
        await restrict(shop, client, destinations="allowlist")
        strange = await ask(client, PAYEE)
        entry = (await add(client)).json()
        await restrict(shop, client, destinations="verified")
        unverified = await ask(client, entry["id"])
        await verify(client, entry, 2)
        verified = await ask(client, entry["id"])

    assert (code(strange), strange.json()["error"]["param"]) == ("destination_not_allowed", "to")
    assert code(unverified) == "destination_not_allowed"
    assert verified.status_code == 200, verified.text


async def test_a_new_address_waits_out_its_cool_off_to_the_second(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        await restrict(shop, client, cool_off_seconds=3600)
        raw = await ask(client, PAYEE)
        entry = (await add(client)).json()
        shop.clock.advance(3599)
        early = await ask(client, entry["id"])
        shop.clock.advance(1)
        ready = await ask(client, entry["id"])
        await client.delete(f"/v1/destinations/{entry['id']}")
        gone = await ask(client, entry["id"])
        back = (await add(client)).json()
        new = await client.post(
            "/v1/payouts", json=PAYOUT | {"to": back["id"]}, headers={"idempotency-key": "anew"}
        )

    assert [code(raw), code(early), code(new)] == ["destination_in_cooloff"] * 3
    assert ready.status_code == 200, ready.text
    assert gone.json()["id"] == ready.json()["id"]  # the same request again, not a new payout


REFUSED: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "wrong checksum": ({"address": PAYEE.replace("C8", "c8")}, 400, "address_checksum_mismatch", "address"),
    "no checksum": ({"address": PAYEE.lower()}, 400, "address_checksum_missing", "address"),
    "all upper": ({"address": "0x" + PAYEE[2:].upper()}, 400, "address_checksum_missing", "address"),
    "zero": ({"address": "0x" + "00" * 20}, 400, "address_invalid", "address"),
    "too short": ({"address": "0x12"}, 400, "address_invalid", "address"),
    "vault": ({"address": "0x" + VAULT.hex()}, 400, "destination_is_ours", "address"),
    "another network": ({"network": "eip155:1"}, 400, "network_unsupported", "network"),
    "live money": ({"network": "eip155:8453"}, 400, "network_unsupported", "network"),
    "no label": ({"label": ""}, 400, "parameter_invalid", "label"),
    "twice": ({"label": "The same"}, 409, "destination_exists", "address"),
}  # fmt: skip


async def test_an_address_that_cannot_be_meant_is_not_written(shop: Shop) -> None:
    async with shop.client() as client:
        for name, (changes, status, said, param) in REFUSED.items():
            with case(name):
                if status == 409:
                    await add(client)
                before = await shop.rows()
                answer = await add(client, **changes)

                error = answer.json()["error"]
                found = (answer.status_code, error["code"], error["param"])
                assert found == (status, said, param), answer.text
                assert await shop.rows() == before


async def test_tokens_forwarders_wallets_and_denied_addresses_are_no_payees(shop: Shop) -> None:
    wallet = Address(b"\x77" * 20)
    async with shop.owner.transaction() as conn:
        await addresses.add_own(conn, LOCAL, wallet, "wallet")
    await shop.run("UPDATE networks SET forwarder = decode(repeat('0f', 20), 'hex')")
    async with shop.client() as client:
        await client.post("/v1/policies", json={"approvals": [{"required": 1}], "denylist": [PAYEE]})
        said = [
            code(await add(client, address=checksum(Address(bytes([byte]) * 20))))
            for byte in (0xC0, 0x01, 0x0F, 0x77, 0xFA)
        ]
        denied = await add(client)

    assert said == ["destination_is_token_contract", *["destination_is_ours"] * 4]
    assert code(denied) == "destination_denylisted"


async def test_another_accounts_book_is_closed(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        entry = (await add(client)).json()
    async with shop.client() as stranger:
        await stranger.post("/v1/policies", json={"approvals": [{"required": 1}]})
        answers = [
            await stranger.get(f"/v1/destinations/{entry['id']}"),
            await verify(stranger, entry, 2),
            await stranger.delete(f"/v1/destinations/{entry['id']}"),
        ]
        named = await ask(stranger, entry["id"])

    assert [answer.status_code for answer in answers] == [404] * 3
    assert code(named) == "destination_unknown"


async def test_an_entry_of_another_network_is_not_taken_for_this_one(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        entry = (await add(client, network="eip155:31338")).json()
        answer = await ask(client, entry["id"])

    assert (code(answer), answer.json()["error"]["param"]) == ("destination_network_mismatch", "network")
