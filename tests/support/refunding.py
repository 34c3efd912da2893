"""A merchant with customers, approvers and a vault to pay from; its API, its claim page, the refunder."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from bascule.domain.chain import parse_address
from bascule.domain.refund import LOOK_AGAIN
from bascule.entrypoints.api import ApiDeps, create_app
from bascule.services import api_keys
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.refund_steps import RefundSteps
from bascule.services.refunder import Refunder
from bascule.services.seams import SystemEntropy
from bascule.storage import approvals, signer_rosters
from tests.support.api import PEPPER, SEED, conforms
from tests.support.flushing import Sweep, sweep
from tests.support.money_out import LIMIT, OpenAs, Treasury, approver, payee, sign_typed
from tests.support.money_out_setup import set_policy

COOL_OFF_S = 3_600
CUSTOMER_HOME = payee(900)  # where a customer wants money back


@dataclass
class Refunding:
    """The world of flushes, with a merchant that may pay out. secret: of its API key."""

    world: Sweep
    client: httpx.AsyncClient
    refunder: Refunder
    secret: str
    keys: count[int] = field(default_factory=lambda: count(1))

    @property
    def stage(self) -> Treasury:
        return self.world.stage

    async def paid(self, asked: str = "20.00", *sent: str, **request: Any) -> dict[str, Any]:
        """An intent and what its customer sent, all of it final."""
        intent = await self.world.intent(asked, **request)
        for amount in sent or (asked,):
            await self.world.pay(intent, amount)
        await self.stage.follow(4)
        return intent

    async def ask(self, intent: dict[str, Any], *, key: str | None = None, **params: Any) -> httpx.Response:
        """POST /v1/refunds, with a key of its own unless given."""
        return await self.client.post(
            "/v1/refunds",
            json={"payment_intent": intent["id"], **params},
            headers={"idempotency-key": key or f"refund-{next(self.keys)}"},
        )

    async def refund(self, intent: dict[str, Any], **params: Any) -> dict[str, Any]:
        """A refund as it was made, with its link."""
        answer = await self.ask(intent, **params)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def read(self, refund: dict[str, Any]) -> dict[str, Any]:
        return dict((await self.client.get(f"/v1/refunds/{refund['id']}")).json())

    async def enter(self, refund: dict[str, Any], address: str, *, confirm: bool) -> httpx.Response:
        """What a customer's browser posts."""
        form = {"address": address} | ({"confirm": "yes"} if confirm else {})
        return await self.client.post(refund["next_action"]["url"], data=form)

    async def claimed(self, refund: dict[str, Any], address: str = CUSTOMER_HOME) -> dict[str, Any]:
        """The customer's address, and the cool-off is over."""
        answer = await self.enter(refund, address, confirm=True)
        assert answer.status_code == 303, answer.text
        self.stage.clock.advance(LOOK_AGAIN * (COOL_OFF_S // 10 + 1))
        return await self.read(refund)

    async def deny(self, address: str) -> None:
        """The merchant's policy denies an address from now on."""
        rules = {"approvals": [{"required": 2}], "max_per_payout": "5000.00", "max_per_day": "20000.00"}
        await self.post("/v1/policies", **rules, denylist=[address], token=self.stage.token.id)

    async def turn(self) -> dict[str, int]:
        """The refunder works until nothing is due; how many payouts there are by state."""
        while await self.refunder.run_once():
            pass
        return dict(await self.stage.rows("SELECT state, count(*)::int FROM payouts GROUP BY 1"))

    async def approve(self, refund: dict[str, Any], *people: int) -> None:
        """The merchant's approvers sign the refund's payout."""
        await self.sign(f"/v1/payouts/{(await self.read(refund))['payout']}", *people)

    async def sign(self, path: str, *people: int) -> None:
        """Approvers sign the typed data of what is at a path."""
        for number in people or (1, 2):
            shown, person = (await self.client.get(path)).json(), approver(number)
            signature = sign_typed(person, shown["next_action"]["typed_data"])
            await self.post(f"{path}/approve", approver=person.address, signature=signature)

    async def post(self, path: str, **params: Any) -> dict[str, Any]:
        """A request that succeeds, with a key of its own."""
        headers = {"idempotency-key": f"post-{next(self.keys)}"}
        answer = await self.client.post(path, json=params, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def pay(self) -> None:
        """The submitter pays what is approved, to finality, and the refunder sees it."""
        await self.stage.run(rounds=2)
        await self.turn()

    async def told(self, refund: dict[str, Any]) -> list[str]:
        """The events told of a refund, in order."""
        found = await self.stage.rows(
            "SELECT type FROM outbox WHERE object_id = %s ORDER BY id", refund["id"]
        )
        return [row[0].removeprefix("refund.") for row in found]

    async def books(self) -> dict[str, int]:
        """What the merchant has: by ledger account, credit positive, and what is held."""
        rows = await self.stage.rows(
            "SELECT split_part(code, ':', 1), -posted, held_debit FROM ledger.balances"
            " WHERE owner_account = %s",
            self.world.merchant,
        )
        found = {name: int(posted) for name, posted, _ in rows}
        return found | {"held": sum(int(held) for _, _, held in rows)}


@asynccontextmanager
async def refunding(
    open_as: OpenAs, folder: Path, failpoints: Failpoints = NO_FAILPOINTS
) -> AsyncIterator[Refunding]:
    """A merchant whose policy asks for two approvals, and nothing paid yet."""
    async with sweep(open_as, folder) as world:
        stage = world.stage
        people = [parse_address(approver(number).address) for number in (1, 2, 3)]
        async with stage.owner.transaction() as conn:
            for person in people:
                await approvals.add_approver(conn, world.merchant, person, roster_version=1)
            await set_policy(conn, world.merchant, stage.token, max_per_payout=LIMIT, max_per_day=5 * LIMIT)
            await signer_rosters.add(conn, world.merchant, version=1, threshold=2, members=people)
            issued = await api_keys.issue(
                conn, account_id=world.merchant, pepper=PEPPER, clock=stage.clock, entropy=SystemEntropy(),
                livemode=False, kind="sk",
            )  # fmt: skip
        async with (built := serving(world, issued.secret, failpoints)).client:
            yield built


def serving(world: Sweep, secret: str, failpoints: Failpoints = NO_FAILPOINTS) -> Refunding:
    """The API, asked with this key, and the refunder, over the databases that the world has open."""
    stage = world.stage
    deps = ApiDeps(
        stage.api, stage.clock, SystemEntropy(), PEPPER, SEED, public_url="http://b.test",
        refund_cool_off_s=COOL_OFF_S, settlement_cool_off_s=COOL_OFF_S, failpoints=failpoints,
    )  # fmt: skip
    steps = RefundSteps(stage.clock, stage.use_cases.outbox, stage.use_cases)
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(deps)),
        base_url="http://b.test",
        headers={"authorization": f"Bearer {secret}"},
        event_hooks={"response": [conforms]},
    )
    return Refunding(world, client, Refunder(world.workers_db, steps, failpoints), secret)


def words(page: httpx.Response) -> str:
    """What a page says, without its marks."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())
