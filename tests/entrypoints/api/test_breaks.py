"""/v1/breaks, /v1/reconciliation/runs: the operator's alone to see and to use."""

from typing import Any

from bascule.services.break_search import BreakSearch
from bascule.services.breaks import Breaks
from bascule.services.gas_check import GasCheck
from bascule.services.reconciler import Reconciler
from bascule.services.reconciliation_runs import Nightly, ReconciliationRuns
from bascule.storage import audit
from bascule.storage.breaks import Found
from tests.support.api import LIVE, Shop


async def opened(shop: Shop, type: str, subject: str, **more: Any) -> str:
    """The id of a break that the worker found."""
    async with shop.worker.transaction() as conn:
        assert await Breaks(shop.deps.outbox).open(conn, Found(type, subject, {"why": "a test"}, **more))
        row = await conn.execute("SELECT id FROM breaks WHERE subject = %s", [subject])
        [id] = await row.fetchone() or []
    return str(id)


def code(response: Any) -> str:
    return str(response.json()["error"]["code"])


async def test_operator_reads_and_explains_a_break_once(shop: Shop) -> None:
    token = shop.tokens["local"]
    more = {"chain_id": token.chain_id, "token_id": token.id}
    residual = await opened(shop, "custody_residual", token.id, amount=-1_500_000, **more)
    unbooked = await opened(shop, "unbooked_transfer", "31337/aa/1", amount=5, **more)
    live = await opened(shop, "custody_residual", "tok_live", chain_id=LIVE)
    everywhere = await opened(shop, "seal_break", "seal 7")
    key = (await shop.key(shop.operator)).secret
    async with shop.client(key) as operator:
        page = (await operator.get("/v1/breaks")).json()
        assert {each["id"] for each in page["data"]} == {residual, unbooked, everywhere}
        one = (await operator.get("/v1/breaks", params={"status": "open", "type": "custody_residual"})).json()
        [shown] = one["data"]
        assert (shown["amount"], shown["amount_atomic"]) == ("-1.500000", "-1500000")
        assert (shown["owner"], shown["freezes_payouts"]) == ("treasury", True)
        assert (await operator.get(f"/v1/breaks/{residual}")).json() == shown
        assert (await operator.get(f"/v1/breaks/{live}")).status_code == 404

        path = f"/v1/breaks/{residual}/resolve"
        assert code(await operator.post(path, json={"reason": " "})) == "parameter_missing"
        wrong = {"reason": "burned", "transaction": 99}
        assert code(await operator.post(path, json=wrong)) == "transaction_unknown"
        other = await operator.post(f"/v1/breaks/{unbooked}/resolve", json={"reason": "never mind"})
        assert (other.status_code, code(other)) == (409, "break_ends_otherwise")
        assert other.json()["error"]["next_step"].startswith("Nothing to do")
        assert (await operator.post(f"/v1/breaks/{live}/resolve", json={"reason": "x"})).status_code == 404

        same = {"idempotency-key": "k1"}
        done = await operator.post(path, json={"reason": "burned"}, headers=same)
        assert (done.status_code, done.json()["status"]) == (200, "resolved")
        assert done.json()["resolution"]["reason"] == "burned"
        assert (await operator.post(path, json={"reason": "burned"}, headers=same)).content == done.content
        again = await operator.post(path, json={"reason": "burned"})
        assert (again.status_code, code(again)) == (409, "break_unexpected_state")
    async with shop.owner.read() as conn:
        lines = await audit.of_object(conn, residual)
    assert [line["action"] for line in lines] == ["break.resolve", "api.resolve_break"]
    assert {line["actor"].partition("_")[0] for line in lines} == {"key"}


async def test_operator_asks_for_a_run_and_the_worker_does_it_once(shop: Shop) -> None:
    outbox = shop.deps.outbox
    reconciler = Reconciler(shop.worker, shop.clock, outbox.entropy, outbox, {})
    search = BreakSearch(shop.worker, Breaks(outbox))
    worker = ReconciliationRuns(
        shop.worker, outbox, reconciler, search, GasCheck(shop.worker, Breaks(outbox), {})
    )
    key = (await shop.key(shop.operator)).secret
    async with shop.client(key) as operator, shop.client() as merchant:
        assert code(await merchant.post("/v1/reconciliation/runs", json={})) == "operator_only"
        assert (
            code(await operator.post("/v1/reconciliation/runs", json={"network": "base"}))
            == "network_unknown"
        )
        asked = (await operator.post("/v1/reconciliation/runs", json={"network": "local"})).json()
        assert (asked["status"], asked["compared"]) == ("requested", None)

        await Nightly(shop.worker, outbox).run_once()
        assert [await worker.run_once() for _ in range(3)] == [1, 1, 0]

        done = (await operator.get(f"/v1/reconciliation/runs/{asked['id']}")).json()
        assert (done["status"], done["compared"], done["breaks_opened"]) == ("completed", 0, 0)
        page = (await operator.get("/v1/reconciliation/runs")).json()
        assert {each["requested_by"] for each in page["data"]} == {"process:worker", asked["requested_by"]}


async def test_merchants_and_keys_without_the_scope_see_no_breaks(shop: Shop) -> None:
    reader = (await shop.key(shop.operator, kind="rk", scopes=["breaks:read"])).secret
    async with shop.client() as merchant, shop.client(reader) as limited:
        assert code(await merchant.get("/v1/breaks")) == "operator_only"
        assert (await limited.get("/v1/breaks")).status_code == 200
        refused = await limited.post("/v1/breaks/brk_1/resolve", json={"reason": "x"})
        assert code(refused) == "scope_missing"
