"""The acts of money out: a payout and a batch of three that two approvers sign, paid through the vault."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_bytes
from typing import Any

from bascule.chain.abi import artifact
from bascule.domain.chain import Address, checksum
from bascule.entrypoints.cli.people import sign_typed_data
from bascule.entrypoints.demo.stage import Api, Stage, check
from bascule.entrypoints.dev.wallet import balance_of, hexed

BATCH = (("110.00", 110_000_000), ("220.50", 220_500_000), ("330.25", 330_250_000))


async def play(stage: Stage) -> None:
    """A first payout keeps the lane busy; the three of a batch are approved together and paid together."""
    act = "payouts"
    funded = await stage.until(
        lambda: stage.treasury.get("/v1/balance"),
        lambda b: any(int(part["amount_atomic"]) for part in b["available"]),
        "the treasury's opening balance",
    )
    stage.opened.set()
    stage.timeline.say(
        act, f"the treasury has {funded['available'][0]['amount']} USDC in the vault, booked as capital"
    )
    first = await _request(stage, "50.00", "advance")
    await approve(stage, first, 0)
    half = await stage.treasury.get(f"/v1/payouts/{first['id']}")
    check(
        half["status"] == "requires_action" and len(half["approvals"]) == 1,
        "one approval is not enough",
        half,
    )
    await approve(stage, first, 1)
    stage.timeline.say(act, f"{first['id']}: one approval was not enough, the second approver's was")
    await _until(stage, first, "in_transit")
    mistake = await _called_off(stage)
    batch = await _salaries(stage)
    paid = [await _until(stage, payout, "paid") for payout in (first, *batch)]
    stage.timeline.say(act, f"{first['id']} is paid", tx_hash=_paid_by(paid[0]))
    stage.paid_out.set()
    shared = {_paid_by(payout) for payout in paid[1:]}
    check(len(shared) == 1 and _paid_by(paid[0]) not in shared, "three payouts in one transaction", *paid)
    stage.timeline.say(act, f"three payouts were paid by one vault transaction {shared.pop()}")
    for payout, amount in zip(paid, (50_000_000, *(units for _, units in BATCH)), strict=True):
        to = Address(bytes.fromhex(payout["to"][2:]))
        check(await balance_of(stage.rpc, stage.token, to) == amount, "the payee has exactly that", payout)
        check(await transfers_to(stage, to) == 1, "one Transfer, ever", payout)
    for payout in paid:
        await stage.told("payout.paid", payout["id"])
    await stage.told("payout.canceled", mistake["id"])
    check(await transfers_to(stage, Address(bytes.fromhex(mistake["to"][2:]))) == 0, "nothing of it", mistake)
    stage.timeline.say(act, "every payee got its amount by exactly one Transfer; four signed webhooks verify")


async def _salaries(stage: Stage) -> list[dict[str, Any]]:
    """The payouts of a batch, in its order, that each of two approvers signed with one signature."""
    items = [_terms(stage, amount, f"salary-{number}") for number, (amount, _) in enumerate(BATCH, 1)]
    batch = await stage.treasury.post("/v1/payout_batches", items=items)
    for approver in (1, 2):
        await approve(stage, batch, approver)
    listed = await stage.treasury.get(f"/v1/payout_batches/{batch['id']}/items")
    found = sorted(listed["data"], key=lambda payout: str(payout["client_reference_id"]))
    check(len(found) == len(BATCH), "the batch has its payouts", listed)
    stage.timeline.say(
        "payouts", f"{batch['id']}: three more payouts, approved by one EIP-712 signature of each"
    )
    return found


async def _called_off(stage: Stage) -> dict[str, Any]:
    """A payout that two people approved too soon: it waits behind the first one, and that is early enough."""
    mistake = await _request(stage, "75.00", "mistake")
    for approver in (1, 2):
        await approve(stage, mistake, approver)
    ended = await stage.treasury.post(f"/v1/payouts/{mistake['id']}/cancel")
    check(
        ended["status"] == "canceled" and not ended["transactions"],
        "an approved payout is called off while it waits",
        ended,
    )
    stage.timeline.say("payouts", f"{ended['id']} was approved and called off before it was signed")
    return ended


async def _request(stage: Stage, amount: str, reference: str) -> dict[str, Any]:
    return await stage.treasury.post("/v1/payouts", **_terms(stage, amount, reference))


def _terms(stage: Stage, amount: str, reference: str) -> dict[str, str]:
    return {
        "amount": amount,
        "currency": "usdc",
        "network": f"eip155:{stage.chain_id}",
        "to": checksum(Address(token_bytes(20))),
        "client_reference_id": f"demo-{reference}",
    }


async def approve(stage: Stage, payout: dict[str, Any], approver: int, api: Api | None = None) -> None:
    """One of the approvers signs a payout, or a batch of them, of the treasury or of whose API it is."""
    key = stage.ready["treasury"]["approvers"][approver]["private_key"]
    address, signature = sign_typed_data(key, payout["next_action"]["typed_data"])
    api = api or stage.treasury
    path = "payout_batches" if payout["object"] == "payout_batch" else "payouts"
    await api.post(f"/v1/{path}/{payout['id']}/approve", approver=address, signature=signature)


async def _until(stage: Stage, payout: dict[str, Any], status: str) -> dict[str, Any]:
    return await stage.until(
        lambda: stage.treasury.get(f"/v1/payouts/{payout['id']}"),
        lambda p: p["status"] in (status, "paid"),
        f"{payout['id']} to be {status}",
    )


def _paid_by(payout: dict[str, Any]) -> str:
    final: Sequence[str] = [each["hash"] for each in payout["transactions"] if each["status"] == "final"]
    check(len(final) == 1, "one final transaction pays it", payout)
    return final[0]


async def transfers_to(stage: Stage, to: Address) -> int:
    """How many Transfers of the dollar an address ever got."""
    wanted = {
        "fromBlock": "0x0",
        "toBlock": "latest",
        "address": hexed(stage.token),
        "topics": [hexed(artifact("TestDollar").topic("Transfer")), None, "0x" + to.hex().rjust(64, "0")],
    }
    return len(await stage.rpc.call("eth_getLogs", wanted))
