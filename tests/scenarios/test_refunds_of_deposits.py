"""Deposits that count for no payment go back: whole, once, to where their payer says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from bascule.domain.chain import Address, parse_address
from bascule.domain.refund import LOOK_AGAIN, RefundDestination
from bascule.services.compliance import Compliance
from bascule.services.rescreener import Rescreener
from bascule.services.seams import SystemEntropy
from tests.support.flushing import CUSTOMER
from tests.support.money_out import OpenAs, payee, sign_typed
from tests.support.postgres import TestServer
from tests.support.rebuilding import compared_by_rows, empty_beside, said
from tests.support.refunding import CUSTOMER_HOME, Refunding, refunding


@pytest.fixture
async def b(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Refunding]:
    async with refunding(db_as, tmp_path) as built:
        yield built
        await built.stage.require_truth()
        await built.world.require_even()


async def duplicate(b: Refunding) -> dict[str, Any]:
    """A payment of 10 came twice; the second is a deposit that counts for nothing."""
    await b.paid("10.00", "10.00", "10.00")
    listed = (await b.client.get("/v1/deposits")).json()["data"]
    [found] = [each for each in listed if each["unapplied_reason"] == "already_paid"]
    return dict(found)


async def act(b: Refunding, deposit: dict[str, Any], verb: str, **params: Any) -> httpx.Response:
    """POST /v1/deposits/{id}/{verb}, with a key of its own."""
    headers = {"idempotency-key": f"{verb}-{next(b.keys)}"}
    return await b.client.post(f"/v1/deposits/{deposit['id']}/{verb}", json=params, headers=headers)


async def look(b: Refunding, deposit: dict[str, Any]) -> dict[str, Any]:
    return dict((await b.client.get(f"/v1/deposits/{deposit['id']}")).json())


def code(answer: httpx.Response) -> str:
    return "ok" if answer.status_code == 200 else str(answer.json()["error"]["code"])


async def test_a_duplicate_goes_back_whole_by_a_link_out_of_what_nobody_had(b: Refunding) -> None:
    deposit = await duplicate(b)
    assert deposit["next_steps"] == ["apply", "accept", "refund"]
    refund = dict((await act(b, deposit, "refund", reason="duplicate")).json())
    assert (refund["deposit"], refund["payment_intent"]) == (deposit["id"], None)
    assert (refund["amount"], refund["next_action"]["type"]) == ("10.000000", "claim")
    shown = (await b.client.get(f"/v1/deposits/{deposit['id']}")).json()
    assert (shown["application"]["status"], shown["next_steps"]) == ("refunded", [])
    assert await b.books() == {"available": 10_000_000, "suspense": 10_000_000, "held": 0}

    again = [code(await act(b, deposit, "refund")), code(await act(b, deposit, "accept"))]
    assert again == ["refund_deposit_goes_back", "application_unexpected_state"]
    await b.claimed(refund)
    assert await b.turn() == {"requires_action": 1}
    await b.approve(refund)
    assert await b.books() == {"available": 20_000_000, "suspense": 0, "held": 10_000_000}
    await b.pay()

    assert (await b.read(refund))["status"] == "succeeded"
    assert await b.stage.transfers_out() == [(CUSTOMER_HOME, 10_000_000)]
    assert await b.books() == {"available": 10_000_000, "suspense": 0, "held": 0}
    assert await b.stage.rows("SELECT identity FROM payouts") == [(f"refund:{deposit['id']}:1",)]
    listed = (await b.client.get("/v1/refunds", params={"deposit": deposit["id"]})).json()["data"]
    assert [each["id"] for each in listed] == [refund["id"]]
    assert code(await act(b, deposit, "refund")) == "refund_deposit_goes_back"


@pytest.mark.parametrize("verb", ["release", pytest.param("reject", marks=pytest.mark.slow)])
async def test_deposit_that_goes_back_is_held_when_its_payer_is_listed_before_it_was_paid(
    b: Refunding, verb: str, postgres_server: TestServer, database_name: str
) -> None:
    """The refund waits for the compliance role; what it rejects goes back to nobody and is kept by nobody."""
    deposit = await duplicate(b)
    refund = await b.claimed((await act(b, deposit, "refund")).json())
    compliance = Compliance(b.stage.clock, b.stage.use_cases.outbox)
    async with b.stage.api.transaction() as conn:
        text = f"address,reference\n{deposit['from']},case\n"
        await compliance.import_list(conn, "ofac", text, actor="key_c")

    assert await b.turn() == {}, "before the worker held the deposit, its refund waits already"
    assert await Rescreener(b.world.workers_db, b.stage.clock, SystemEntropy()).run_once() == 1
    held = {"available": 10_000_000, "suspense": 0, "held": 0, "screened": 10_000_000}
    assert await b.books() == held
    shown = await b.read(refund)
    assert (shown["status"], shown["waits_for"]) == ("pending", "screening")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="screening holds deposit"):
        async with b.stage.owner.transaction() as conn:
            await conn.execute("SELECT ledger.post_refund(%s)", [refund["id"]])
    [[screening]] = await b.stage.rows("SELECT id FROM screenings")
    async with b.stage.api.transaction() as conn:
        await getattr(compliance, verb)(conn, screening, reason="case 7", actor="key_c")
    b.stage.clock.advance(LOOK_AGAIN)

    if verb == "release":
        assert await b.turn() == {"requires_action": 1}
        assert await b.books() == {"available": 20_000_000, "suspense": 0, "held": 0, "screened": 0}
        return
    async with empty_beside(postgres_server, f"{database_name}_rebuild") as anew:
        assert said(await compared_by_rows(b.stage.owner, anew)) == []
    assert await b.turn() == {}
    shown = await b.read(refund)
    assert (shown["status"], shown["failure_code"]) == ("failed", "screening_rejected")
    assert await b.books() == held
    assert (await look(b, deposit))["next_steps"] == []
    assert [code(await act(b, deposit, verb)) for verb in ("accept", "refund")] == ["deposit_held"] * 2
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="screening holds deposit"):
        async with b.stage.owner.transaction() as conn:
            await conn.execute("UPDATE applications SET state = 'accepted' WHERE state = 'refunded'")


@pytest.mark.slow
async def test_deposit_whose_refund_was_called_off_goes_back_anew_or_is_kept(b: Refunding) -> None:
    deposit = await duplicate(b)
    for _ in range(2):
        refund = dict((await act(b, deposit, "refund")).json())
        await b.post(f"/v1/refunds/{refund['id']}/cancel")
        assert (await look(b, deposit))["next_steps"] == ["accept", "refund"]
    intent = await b.world.intent("10.00")
    assert code(await act(b, deposit, "apply", payment_intent=intent["id"])) == "application_unexpected_state"
    kept = (await act(b, deposit, "accept")).json()
    assert kept["application"]["status"] == "accepted"
    assert await b.books() == {"available": 20_000_000, "suspense": 0, "held": 0}
    assert code(await act(b, deposit, "refund")) == "application_unexpected_state"


@pytest.mark.slow
async def test_deposit_whose_payout_was_called_off_is_its_merchants_and_goes_back_once_more(
    b: Refunding,
) -> None:
    deposit = await duplicate(b)
    refund = await b.claimed((await act(b, deposit, "refund")).json())
    await b.turn()
    await b.post(f"/v1/payouts/{(await b.read(refund))['payout']}/cancel")
    await b.turn()
    assert (await b.read(refund))["status"] == "failed"
    assert await b.books() == {"available": 20_000_000, "suspense": 0, "held": 0}
    assert code(await act(b, deposit, "accept")) == "application_unexpected_state"
    compliance = Compliance(b.stage.clock, b.stage.use_cases.outbox)
    async with b.stage.api.transaction() as conn:
        text = f"address,reference\n{deposit['from']},case\n"
        await compliance.import_list(conn, "ofac", text, actor="key_c")
    rescreened = await Rescreener(b.world.workers_db, b.stage.clock, SystemEntropy()).run_once()
    assert rescreened == 0, "the money is the merchant's: from now on only the payee is looked at"
    assert (await look(b, deposit))["next_steps"] == ["refund"]
    second = await b.claimed((await act(b, deposit, "refund")).json(), payee(2))
    await b.turn()
    await b.approve(second)
    await b.pay()
    assert (await b.read(second))["status"] == "succeeded"
    assert await b.books() == {"available": 10_000_000, "suspense": 0, "held": 0}


@pytest.mark.slow
@pytest.mark.parametrize("other", ["apply", "accept", "refund"])
async def test_of_a_refund_and_another_decision_at_once_one_wins(b: Refunding, other: str) -> None:
    deposit = await duplicate(b)
    intent = await b.world.intent("10.00")
    params = {"payment_intent": intent["id"]} if other == "apply" else {}
    answers = await asyncio.gather(act(b, deposit, "refund"), act(b, deposit, other, **params))
    found = sorted(map(code, answers))
    assert found in (["application_unexpected_state", "ok"], ["ok", "refund_deposit_goes_back"]), found
    [[live]] = await b.stage.rows("SELECT count(*) FROM refunds WHERE state <> 'canceled'")
    [[state]] = await b.stage.rows("SELECT state FROM applications WHERE deposit_id = %s", deposit["id"])
    assert (live == 1) == (state == "refunded")


@pytest.mark.slow
async def test_payer_of_a_deposit_signs_where_it_goes(b: Refunding) -> None:
    deposit = await duplicate(b)
    text = RefundDestination(
        deposit["id"], Address(b.stage.token.contract), parse_address(CUSTOMER_HOME), 10_000_000
    )
    typed = text.typed_data(b.stage.network.chain_id, parse_address(b.stage.vault))
    wrong = sign_typed(b.stage.node.accounts[9], typed)
    refused = await act(b, deposit, "refund", to=CUSTOMER_HOME, payer_signature=wrong)
    assert code(refused) == "refund_payer_unverified"
    shown = (await b.client.get(f"/v1/deposits/{deposit['id']}")).json()
    assert shown["next_steps"] == deposit["next_steps"], "nothing was decided"
    signed = sign_typed(b.stage.node.accounts[CUSTOMER], typed)
    refund = (await act(b, deposit, "refund", to=CUSTOMER_HOME, payer_signature=signed)).json()
    assert (refund["status"], refund["destination"]["mode"]) == ("pending", "verified_payer")


@pytest.mark.slow
async def test_deposit_that_counts_is_held_or_is_anothers_does_not_go_back_this_way(b: Refunding) -> None:
    deposit = await duplicate(b)
    listed = (await b.client.get("/v1/deposits")).json()["data"]
    [applied] = [each for each in listed if each["id"] != deposit["id"]]
    assert code(await act(b, applied, "refund")) == "application_unexpected_state"
    intent = await b.world.intent("10.00")
    async with b.stage.api.transaction() as conn:
        text = f"address,reference\n{b.stage.node.accounts[CUSTOMER].address},SDN 1\n"
        await Compliance(b.stage.clock, b.stage.use_cases.outbox).import_list(
            conn, "ofac", text, actor="key_c"
        )
    await b.world.pay(intent, "10.00")
    await b.stage.follow(4)
    listed = (await b.client.get("/v1/deposits")).json()["data"]
    [held] = [each for each in listed if each["unapplied_reason"] == "held"]
    assert (held["next_steps"], code(await act(b, held, "refund"))) == ([], "deposit_held")
    async with b.stage.owner.transaction() as conn:
        await conn.execute("UPDATE deposits SET livemode = true WHERE id = %s", [deposit["id"]])
    assert code(await act(b, deposit, "refund")) == "resource_missing"
    assert await b.stage.rows("SELECT id FROM refunds") == []
    async with b.stage.owner.transaction() as conn:
        await conn.execute("UPDATE deposits SET livemode = false WHERE id = %s", [deposit["id"]])


@pytest.mark.slow
async def test_the_apis_login_keeps_no_deposit_that_goes_back(b: Refunding) -> None:
    deposit = await duplicate(b)
    assert code(await act(b, deposit, "refund")) == "ok"
    for state in ("accepted", "unapplied"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with b.stage.api.transaction() as conn:
                await conn.execute(
                    "UPDATE applications SET state = %s, reason = CASE %s WHEN 'unapplied' THEN 'held' END"
                    " WHERE deposit_id = %s", [state, state, deposit["id"]]
                )  # fmt: skip
