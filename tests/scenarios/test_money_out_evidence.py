"""Money out, proven: what was paid, what can never be, and that only the second may be asked for again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from bascule.chain.deposit_evidence import checksum
from bascule.chain.evidence_check import check
from bascule.chain.families import ETHEREUM
from bascule.chain.rpc import Rpc
from bascule.domain.approval import PayoutApproval
from bascule.domain.chain import parse_address
from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.domain.vault import LONGEST_BATCH_LIFE
from bascule.entrypoints.api import evidence_objects, objects
from bascule.services.payout_evidence import evidence_of
from bascule.services.payouts import own
from bascule.services.submitter import Submitter
from bascule.services.unpaid_prover import AT_ONCE, UnpaidProver
from bascule.storage import blocks, payouts
from bascule.storage.database import Database
from tests.support.money_out import OpenAs, Treasury, approver, payee, treasury
from tests.support.nodes import no_guard
from tests.support.payout_batches import batch_of


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        await built.open_canceller()
        yield built


@pytest.fixture
async def worker(db_as: OpenAs) -> Database:
    return await db_as("worker")


async def evidence(stage: Treasury, payout: dict[str, Any]) -> dict[str, Any]:
    """As the API shows it."""
    async with stage.api.read() as conn:
        found = await evidence_of(conn, await own(conn, payout["id"], stage.operator, False))
    evidence_objects.PayoutEvidence.model_validate(found, strict=True)
    return found


def failing(found: dict[str, Any]) -> list[str]:
    """The checks of a file that do not hold."""
    return [each.name for each in check(json.dumps(found).encode()) if not each.ok]


def forged(found: dict[str, Any], part: str, **changes: Any) -> dict[str, Any]:
    """The same with some members of a part changed, under the checksum a forger would write."""
    made = found | {part: found[part] | changes}
    return made | {"checksum": checksum(made)}


async def require_proven(stage: Treasury, payout: dict[str, Any], ground: str) -> dict[str, Any]:
    """The evidence proves itself, and neither another payee nor another id; returns it."""
    found = await evidence(stage, payout)
    assert failing(found) == []
    shown = objects.PayoutEnded.model_validate((await stage.read(payout))["evidence"], strict=True)
    assert (shown.ground, found["ground"], found["outcome"]) == (ground, ground, shown.outcome)
    other = str(int(found["claims"]["vault_id"]) + 256)  # of the next word
    assert failing(forged(found, "claims", vault_id=other)) != []
    return found


async def prove_unpaid(stage: Treasury, worker: Database, url: str | None = None) -> None:
    """The worker's look, under its own login."""
    await prover(stage, worker, url).run_once()


def prover(stage: Treasury, worker: Database, url: str | None = None, at_once: int = AT_ONCE) -> UnpaidProver:
    rpc = Rpc(url or stage.node.url, session=stage.session, guard=no_guard, family=ETHEREUM)
    return UnpaidProver(worker, stage.clock, {stage.network.chain_id: rpc}, at_once)


async def never_mined(stage: Treasury, lane: Submitter, payout: dict[str, Any]) -> None:
    """The payout's batch is dropped by every node before it is mined."""
    await lane.run_once()
    [waiting] = (await stage.read(payout))["transactions"]
    await stage.node.rpc("bascule_dropTransaction", waiting["hash"])


async def test_paid_payouts_prove_themselves_with_the_people_who_decided(stage: Treasury) -> None:
    alone = await stage.approved("5.00", payee(1))
    ids = await batch_of(stage, [1_000_000, 2_000_000])
    with pytest.raises(NotFound, match="no evidence yet"):
        await evidence(stage, alone)
    await stage.run()

    [second] = [await stage.read({"id": ids[1]})]
    for payout in (alone, second):
        found = await require_proven(stage, payout, "paid")
        assert len(found["decision"]["approvals"]) == 2
        assert failing(forged(found, "claims", amount_atomic="7")) == ["outcome", "approvals"]
        assert failing(forged(found, "claims", to=payee(9))) == ["outcome", "approvals"]
        assert failing(forged(found, "decision", approvals=found["decision"]["approvals"][:1])) == [
            "approvals"
        ]
    assert await stage.rows("SELECT count(*) FROM deposit_proofs") == [(1,)]  # one receipt, three payouts
    told = await stage.rows("SELECT object->'evidence' FROM outbox WHERE type = 'payout.paid' LIMIT 1")
    assert told[0][0]["ground"] == "paid"
    with pytest.raises(Conflict) as refused:
        await stage.request("5.00", payee(1), reissue_of=alone["id"])
    assert refused.value.code == "payout_not_proven_unpaid"


async def test_approvals_that_were_over_in_the_block_are_no_approvals_of_it(stage: Treasury) -> None:
    """The very people of the roster signed the very payout, but for a time that had ended."""
    payout = await stage.approved("5.00", payee(1))
    await stage.run()
    found = await evidence(stage, payout)
    decision, claims = found["decision"], found["claims"]

    def signed_until(expiry: int) -> dict[str, Any]:
        text = PayoutApproval(
            account=decision["signed"]["account"], payout=payout["id"], token=stage.token.contract,
            to=parse_address(claims["to"]), amount=int(claims["amount_atomic"]), expiry=expiry,
            roster_version=decision["signed"]["roster_version"],
        )  # fmt: skip
        digest = text.digest(stage.network.chain_id, parse_address(claims["vault"]))
        given = []
        for who in (approver(1), approver(2)):
            signature = bytes(Account.unsafe_sign_hash(digest, who.private_key).signature)
            given.append({"approver": who.address, "signature": "0x" + signature.hex()})
        return forged(found, "decision", signed=decision["signed"] | {"expiry": expiry}, approvals=given)

    assert failing(signed_until(claims["block_time"])) == []
    assert failing(signed_until(claims["block_time"] - 1)) == ["approvals"]


async def test_refused_payout_is_proven_unpaid_and_paid_elsewhere_once(stage: Treasury) -> None:
    refused, other = await stage.approved("5.00", payee(1)), await stage.approved("6.00", payee(2))
    await stage.issuer("blacklist(address)", payee(1))
    await stage.run()
    await require_proven(stage, refused, "refused_by_token")
    assert failing((await evidence(stage, other)) | {"ground": "refused_by_token"}) != []

    with pytest.raises(Rejected) as other_terms:
        await stage.request("5.01", payee(3), reissue_of=refused["id"])
    async with stage.owner.transaction() as conn:
        await blocks.halt(conn, stage.network.chain_id, "our final block is not there", None)
    with pytest.raises(Conflict) as in_doubt:
        await stage.request("5.00", payee(3), reissue_of=refused["id"])
    async with stage.owner.transaction() as conn:
        halted = await blocks.cursor(conn, stage.network.chain_id)
        assert halted is not None
        assert await blocks.resume(conn, halted)
    again = await stage.request("5.00", payee(3), reissue_of=refused["id"])
    with pytest.raises(Conflict) as twice:
        await stage.request("5.00", payee(3), reissue_of=refused["id"])
    assert (other_terms.value.code, twice.value.code) == ("reissue_terms_differ", "payout_reissued")
    assert in_doubt.value.code == "payout_not_proven_unpaid", "a block in doubt proves nothing"
    assert again["reissue_of"] == refused["id"]
    await stage.approve(again)
    await stage.run()
    assert await stage.transfers_out() == [(payee(2), 6_000_000), (payee(3), 5_000_000)]
    await stage.require_truth()


async def test_payout_canceled_at_the_vault_is_proven_unpaid(stage: Treasury) -> None:
    payout = await stage.approved()
    lane, canceller = await stage.submitter(), await stage.submitter(holder="c", lane="canceller")
    await never_mined(stage, lane, payout)
    await stage.cancel(payout)
    await stage.run(canceller)

    await require_proven(stage, payout, "canceled_at_vault")
    stage.clock.advance(timedelta(seconds=16))
    await stage.run(lane)
    await require_proven(stage, payout, "canceled_at_vault")


async def test_called_off_payout_whose_batch_reverted_is_proven_unpaid_when_no_batch_could_still_run(
    stage: Treasury, worker: Database
) -> None:
    payout = await stage.approved("5.00", payee(1))
    lane = await stage.submitter(bump_after=timedelta(days=1))
    await lane.run_once()
    await stage.cancel(payout)
    stage.clock.advance(timedelta(minutes=31))  # past the batch's deadline
    await stage.run(lane)
    assert await stage.status(payout) == "canceled"
    await prove_unpaid(stage, worker)
    with pytest.raises(Conflict) as early:
        await stage.request("5.00", payee(1), reissue_of=payout["id"])
    assert early.value.code == "payout_not_proven_unpaid"

    stage.clock.advance(LONGEST_BATCH_LIFE + timedelta(seconds=1))
    await stage.follow(3)
    await prove_unpaid(stage, worker)

    found = await require_proven(stage, payout, "deadline_passed")
    late = found["ending"]["ended_at"] + 10**6
    assert failing(forged(found, "ending", ended_at=late)) == ["outcome"]
    again = await stage.approve(await stage.request("5.00", payee(9), reissue_of=payout["id"]))
    await stage.run()
    assert await stage.status(again) == "paid"
    await stage.require_truth()


@pytest.mark.wrong("G6", "G7")
async def test_nothing_is_proven_of_an_id_that_the_vault_used_and_others_do_not_wait_for_it(
    stage: Treasury, worker: Database
) -> None:
    """The rows call a payout canceled whose batch is mined all the same; another has an id nobody used."""
    stage.tells = False
    payout = await stage.approved("5.00", payee(1))
    stage.clock.advance(timedelta(seconds=1))
    unused = await stage.approved("6.00", payee(2))
    await (await stage.submitter()).run_once()
    await stage.follow(3)
    await stage.rows_change(
        "SET LOCAL session_replication_role = replica;"
        f" UPDATE payouts SET state = 'canceled', vault_id = vault_id + 2 * (id = '{unused['id']}')::int"
    )
    await stage.rows_change(
        "INSERT INTO outbox"
        " (event_id, account_id, livemode, type, object_id, object_version, object, created_at)"
        " SELECT 'evt_' || id, account_id, livemode, 'payout.canceled', id, 9, '{}', created_at FROM payouts"
    )
    stage.clock.advance(timedelta(hours=3))
    await stage.follow(3)
    looks = prover(stage, worker, at_once=1)
    await looks.run_once()
    assert await stage.rows("SELECT count(*) FROM payout_negatives") == [(0,)]
    await looks.run_once()
    await looks.run_once()

    assert await stage.rows("SELECT payout_id FROM payout_negatives") == [(unused["id"],)]
    with pytest.raises(Conflict) as refused:
        await stage.request("5.00", payee(1), reissue_of=payout["id"])
    assert refused.value.code == "payout_not_proven_unpaid"


async def test_no_login_may_put_a_payout_in_the_place_of_one_that_is_not_proven_unpaid(
    stage: Treasury,
) -> None:
    live = await stage.request("5.00", payee(1))
    async with stage.api.read() as conn:
        row = await payouts.get(conn, live["id"])
    assert row is not None
    new = {name: getattr(row, name) for name in payouts.NewPayout.__slots__}
    changed = payouts.NewPayout(**{**new, "id": live["id"][:-1] + "0", "identity": "x", "reissue_of": row.id})
    with pytest.raises(Exception, match="nothing proves that payout"):
        async with stage.api.transaction() as conn:
            await payouts.insert(conn, changed)
