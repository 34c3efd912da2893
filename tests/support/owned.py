"""One object of every kind that an account can have, for each of two merchants, strangers to each other.

What needs a chain, the treasury or a worker to come to be is written as these would write it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import httpx

from bascule.domain.authorization import Authorization
from bascule.domain.chain import Address, ChainId, parse_address
from bascule.domain.hashing import keccak
from bascule.domain.rates import ONE, Pair, Rules
from bascule.general_ledger import accounts
from bascule.services.rate_reader import RateReader
from bascule.services.rate_sources import FixedRates
from bascule.services.report_runs import ReportRuns
from bascule.services.reporter import Reporter
from bascule.storage import approvals, authorizations, ledger, settlements
from bascule.storage.authorizations import NewAuthorization
from bascule.storage.balance_settings import Subject
from tests.support.api import ENTROPY, LOCAL, Shop, new_id
from tests.support.money_out_setup import approver, set_policy

NET = f"eip155:{LOCAL}"
MONEY = {"amount": "1.00", "currency": "usdc", "network": NET}
_MOVED = """
SELECT ledger.post('deposit', %s, 'deposit', NULL, NULL, to_timestamp(1000),
    ARRAY[ledger.account_for('custody:vault', %s), ledger.account_for('available:' || %s, %s)],
    ARRAY[0, 0]::smallint[], ARRAY[100000000, -100000000]::numeric[])
"""
_FINAL = """
INSERT INTO cursors (chain_id, next_number, last_hash, head_time, finalized_number, finalized_hash)
VALUES (%s, 11, %s, now(), 10, %s) ON CONFLICT DO NOTHING
"""


@dataclass
class Owner:
    """A merchant with test objects. secret: of its test key; more: ids of what no list of the API tells."""

    account: str
    secret: str
    live_secret: str
    more: dict[str, str] = field(default_factory=dict)


async def owners(shop: Shop) -> tuple[Owner, Owner]:
    """The shop's two merchants, each with one of everything."""
    rates = {Pair("usdc", "eur"): ONE}
    shop.deps = replace(shop.deps, rates=Rules(dict.fromkeys(rates, ("fixed",)), pegs={}))
    await RateReader(shop.worker, shop.clock, [FixedRates("fixed", rates)]).run_once()
    rivals_live = (await shop.key(shop.rival, livemode=True)).secret
    both = (
        Owner(shop.merchant, shop.secret, shop.live_secret),
        Owner(shop.rival, shop.rival_secret, rivals_live),
    )
    numbers = count(1)
    for owner in both:
        await allowed_to_pay(shop, owner.account)
        async with shop.client(owner.secret) as client:
            await _made(shop, client, owner, numbers)
    await shop.sequencer().run_once()
    await Reporter(shop.worker, ReportRuns(shop.clock, ENTROPY, shop.deps.outbox), accounts()).run_once()
    await Reporter(shop.worker, ReportRuns(shop.clock, ENTROPY, shop.deps.outbox), accounts()).run_once()
    for owner in both:
        async with shop.client(owner.secret) as client:
            [run] = (await client.get("/v1/reporting/report_runs")).json()["data"]
            owner.more["/v1/files"] = run["files"][0]["id"]
            [hook] = (await client.get("/v1/webhook_endpoints")).json()["data"]
            found = (await client.get(f"/v1/webhook_endpoints/{hook['id']}/deliveries")).json()
            owner.more["{delivery}"] = found["data"][0]["id"]
    await shop.deps.requests.write()
    return both


async def allowed_to_pay(shop: Shop, account: str) -> None:
    """A merchant who has 100.00, and whose approvers let it pay."""
    async with shop.owner.transaction() as conn:
        for number in (1, 2):
            who = parse_address(approver(number).address)
            await approvals.add_approver(conn, account, who, roster_version=1)
        bounds = {"max_per_payout": 500 * 10**6, "max_per_day": 1_000 * 10**6}
        await set_policy(conn, account, shop.tokens["local"], **bounds)
    token = shop.tokens["local"].id
    await shop.run(_MOVED, f"dep_{account}", token, account, token)


async def _made(shop: Shop, client: httpx.AsyncClient, owner: Owner, numbers: count[int]) -> None:
    async def post(path: str, **body: Any) -> dict[str, Any]:
        answer = await client.post(path, json=body, headers={"idempotency-key": f"made-{next(numbers)}"})
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return dict(answer.json())

    hook = await post("/v1/webhook_endpoints", url="https://m.example/")
    await post(f"/v1/webhook_endpoints/{hook['id']}/ping")
    intent = await post("/v1/payment_intents", **MONEY_IN)
    deposit = await shop.arrive(intent, 5, account=owner.account)
    await shop.run(
        "UPDATE deposits SET state = 'finalized', finalized_at = created_at WHERE id = %s", deposit
    )
    await post("/v1/checkout/sessions", **MONEY_IN)
    await post("/v1/quotes", amount="1.00", currency="eur", to_currency="usdc")
    line = {"description": "a", "quantity": 1, "unit_amount": "5.00"}
    await post("/v1/invoices", currency="usdc", lines=[line])
    await post("/v1/api_keys", scopes=["balance:read"])
    await post("/v1/members", email="a@b.c", roles=["owner"])
    await post("/v1/refunds", payment_intent=intent["id"])
    held = await shop.arrive(intent, 5, account=owner.account)
    await shop.run("UPDATE deposits SET state = 'finalized', finalized_at = created_at WHERE id = %s", held)
    await shop.run(
        "UPDATE applications SET state = 'unapplied', reason = 'already_paid', amount_applied = 0"
        " WHERE deposit_id = %s",
        held,
    )
    await shop.run(_FINAL, LOCAL, *[(10).to_bytes(32, "big")] * 2)
    async with shop.owner.transaction() as conn:
        await ledger.post_deposit(conn, held)
    await post(f"/v1/deposits/{held}/refund")
    payee = approver(9).address
    home = await post("/v1/destinations", label="Home", network=NET, address=payee)
    await post("/v1/payouts", **MONEY, to=home["id"])
    await post("/v1/payout_batches", items=[MONEY | {"to": home["id"], "amount": "2.00"}])
    ends = int(shop.clock.now().timestamp()) + 86_400
    limits = {"max_per_item": "1.00", "max_per_day": "1.00", "expires_at": ends}
    await post("/v1/mandates", currency="usdc", network=NET, to=payee, **limits)
    await post("/v1/balance_settings", network=NET, currency="usdc", interval="daily", to=payee)
    interval = {"interval_start": 1_700_000_000, "interval_end": 2_000_000_000}
    await post("/v1/reporting/report_runs", report_type="activity", parameters=interval)
    standing = await post("/v1/standing_addresses", network=NET)
    await _by_processes(shop, owner, parse_address(standing["address"]))


async def _by_processes(shop: Shop, owner: Owner, pay_to: Address) -> None:
    token, now = shop.tokens["local"], shop.clock.now()
    signed = Authorization(
        payer=Address(b"\x99" * 20), pay_to=pay_to, amount=1, valid_after=0,
        valid_before=2**40, nonce=keccak(owner.account.encode()),
    )  # fmt: skip
    id = owner.more["/v1/authorizations"] = new_id("aut", shop.clock, ENTROPY)
    new = NewAuthorization(
        id, owner.account, False, ChainId(LOCAL), token.id, signed, bytes(65), None, None, 1
    )
    of = Subject(owner.account, False, token.id)
    async with shop.owner.transaction() as conn:
        assert await authorizations.insert(conn, new, now)
        made = await settlements.insert(
            conn, new_id("stl", shop.clock, ENTROPY), of, amount=1, due_at=None, requested_by="key_1",
            created_at=now,
        )  # fmt: skip
        assert made is not None


MONEY_IN = {"amount": "1.00", "currency": "usdc", "accepted": [{"network": "local"}]}
