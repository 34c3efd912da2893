"""The act of money that goes home: the shop's balance goes to its own address under a mandate."""

from __future__ import annotations

import time
from secrets import token_bytes
from typing import Any

from bascule.domain.chain import Address, checksum
from bascule.entrypoints.cli.people import sign_typed_data
from bascule.entrypoints.demo.money_out import transfers_to
from bascule.entrypoints.demo.stage import Stage, check
from bascule.entrypoints.dev.wallet import balance_of

DAY_S = 24 * 3600


async def play(stage: Stage) -> None:
    """Two approvers allow it beforehand; after the cool-off all but the reserve goes out, once."""
    act, home = "settlement", Address(token_bytes(20))
    asset = {"network": f"eip155:{stage.chain_id}", "currency": "usdc"}
    await _allow(stage, asset, home)
    said = await stage.merchant.post(
        "/v1/balance_settings", **asset, interval="daily", hour=2, reserve="10.00", to=checksum(home)
    )
    [settings] = said["settlements"]
    check(settings["next_run_at"] is not None, "it falls due by itself, each day", settings)
    stage.timeline.say(
        act, "two approvers signed a mandate; the shop is settled each day at 02:00, but for 10.00"
    )
    await stage.given_back.wait()  # or the refund would have to wait for the next payment
    settlement = await stage.merchant.post("/v1/settlements", **asset)
    paid = await stage.until(
        lambda: stage.merchant.get(f"/v1/settlements/{settlement['id']}"),
        lambda s: s["status"] != "scheduled",
        "the settlement to be paid",
    )
    check(paid["status"] == "completed" and paid["to"] == checksum(home), "it went home", paid)
    held = await balance_of(stage.rpc, stage.token, home)
    check(held == int(paid["amount_atomic"]), "the shop's address has exactly that", paid)
    check(await transfers_to(stage, home) == 1, "one Transfer, ever", home)
    balance = await stage.merchant.get("/v1/balance")
    check(balance["reserved"][0]["amount"] == "10.000000", "the reserve stayed", balance)
    await stage.told("settlement.completed", settlement["id"])
    stage.timeline.say(
        act, f"{paid['amount']} went home by exactly one Transfer; 10.00 stayed, nobody signed"
    )


async def _allow(stage: Stage, asset: dict[str, str], home: Address) -> None:
    """A mandate for settlements to this address alone, by two people."""
    mandate = await stage.merchant.post(
        "/v1/mandates", **asset, kind="settlement", to=checksum(home), max_per_item="500.00",
        max_per_day="500.00", expires_at=int(time.time()) + 30 * DAY_S,
    )  # fmt: skip
    for person in stage.ready["treasury"]["approvers"][:2]:
        address, signature = sign_typed_data(person["private_key"], mandate["next_action"]["typed_data"])
        signed: dict[str, Any] = await stage.merchant.post(
            f"/v1/mandates/{mandate['id']}/approve", approver=address, signature=signature
        )
    check(signed["status"] == "active", "two signatures make the mandate", signed)
