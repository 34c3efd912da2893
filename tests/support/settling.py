"""A merchant whose money is settled to an address of its own: its API, the settler, and who pays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from bascule.services.seams import SystemEntropy
from bascule.services.settlement_steps import SettlementSteps
from bascule.services.settler import Settler
from tests.support.money_out import OpenAs, payee
from tests.support.refunding import COOL_OFF_S, Refunding, refunding

HOME = payee(800)  # where the merchant wants its money
ASSET = {"network": "eip155:31337", "currency": "usdt"}
DAY = timedelta(days=1)


@dataclass
class Settling:
    """The merchant of refunds, with a settler."""

    shop: Refunding
    settler: Settler

    async def say(self, **settings: Any) -> dict[str, Any]:
        """The merchant's settings of its asset, as shown; daily to its own address unless said otherwise."""
        said = await self.shop.post(
            "/v1/balance_settings", **ASSET, **{"interval": "daily", "to": HOME} | settings
        )
        [asset] = said["settlements"]
        return dict(asset)

    async def cooled(self, **settings: Any) -> dict[str, Any]:
        """The same, and its address may be paid."""
        said = await self.say(**settings)
        self.pass_(timedelta(seconds=COOL_OFF_S))
        return said

    def pass_(self, time: timedelta) -> None:
        """The clock goes on."""
        self.shop.stage.clock.advance(time)

    async def a_day(self) -> list[dict[str, Any]]:
        """The next day comes; the settlements there are after it, the oldest first."""
        self.pass_(DAY)
        return await self.turn()

    async def turn(self) -> list[dict[str, Any]]:
        """The settler works until nothing is due; the settlements there are, the oldest first."""
        while await self.settler.run_once():
            pass
        listed = (await self.shop.client.get("/v1/settlements?limit=100")).json()["data"]
        return sorted(listed, key=lambda each: int(each["period"]))

    async def settings(self) -> dict[str, Any]:
        """What the API says of the asset."""
        [asset] = (await self.shop.client.get("/v1/balance_settings")).json()["settlements"]
        return dict(asset)

    async def left(self) -> timedelta:
        """Until the asset falls due."""
        due = int((await self.settings())["next_run_at"])
        return timedelta(seconds=due - self.shop.stage.clock.now().timestamp())

    async def ask(self) -> httpx.Response:
        """POST /v1/settlements, with a key of its own."""
        key = {"idempotency-key": f"settle-{next(self.shop.keys)}"}
        return await self.shop.client.post("/v1/settlements", json=ASSET, headers=key)

    async def sign(self, settlement: dict[str, Any]) -> None:
        """The merchant's approvers sign the settlement's payout."""
        await self.shop.sign(f"/v1/payouts/{settlement['payout']}")

    async def allow(self, **changes: Any) -> dict[str, Any]:
        """A mandate for settlements to the merchant's address, signed."""
        ends = int(self.shop.stage.clock.now().timestamp()) + 90 * 86_400
        asked = {"kind": "settlement", "to": HOME, "max_per_item": "500.00", "max_per_day": "500.00"}
        mandate = await self.shop.post("/v1/mandates", **ASSET, **asked | {"expires_at": ends} | changes)
        await self.shop.sign(f"/v1/mandates/{mandate['id']}")
        return mandate

    async def pay(self) -> list[dict[str, Any]]:
        """The submitter pays what may be paid, to finality, and the settler sees it."""
        await self.shop.stage.run(rounds=2)
        return await self.turn()

    async def told(self, settlement: dict[str, Any]) -> list[str]:
        """The events told of a settlement, in order."""
        found = await self.shop.stage.rows(
            "SELECT type FROM outbox WHERE object_id = %s ORDER BY id", settlement["id"]
        )
        return [row[0].removeprefix("settlement.") for row in found]


def another(of: Settling) -> Settler:
    """A settler beside the first, as of a second worker."""
    stage = of.shop.stage
    steps = SettlementSteps(stage.clock, SystemEntropy(), stage.use_cases.outbox, stage.use_cases)
    return Settler(of.shop.world.workers_db, steps)


@asynccontextmanager
async def settling(open_as: OpenAs, folder: Path) -> AsyncIterator[Settling]:
    """A merchant whose policy asks for two approvals, who said nothing of settlements yet."""
    async with refunding(open_as, folder) as shop:
        stage = shop.stage
        steps = SettlementSteps(stage.clock, SystemEntropy(), stage.use_cases.outbox, stage.use_cases)
        yield Settling(shop, Settler(shop.world.workers_db, steps))
