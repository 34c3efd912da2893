"""/v1/screenings, /v1/screening_lists and who pays whom: the compliance role's alone, the account's alone."""

import hashlib
from typing import Any

import orjson

from tests.support.api import Shop

PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
PAYOUT = {"amount": "100.00", "currency": "usdc", "network": "eip155:31337", "to": PAYEE}


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_compliance_imports_a_list_and_decides_about_what_it_holds(shop: Shop, treasury: str) -> None:
    of_test, of_live = [
        (await shop.key(shop.operator, kind="rk", scopes=["screenings:write"], livemode=live)).secret
        for live in (False, True)
    ]
    async with (
        shop.client(of_test) as compliance,
        shop.client(of_live) as importer,
        shop.client(treasury) as payer,
        shop.client() as merchant,
    ):
        file = {"headers": {"content-type": "text/csv"}, "params": {"name": "ofac"}}
        bad = await importer.post("/v1/screening_lists", content=b"address\n0x1\n", **file)  # type: ignore[arg-type]
        assert code(bad) == (400, "screening_list_damaged")
        assert bad.json()["error"]["message"].startswith("line 2: An address is 0x")
        text = f"address,reference\n{PAYEE},SDN 7\n".encode()
        made = await importer.post("/v1/screening_lists", content=text, **file)  # type: ignore[arg-type]
        assert (made.json()["id"], made.json()["entries"]) == ("ofac.1", 1)
        emptied = {"name": "ofac", "csv": f"address\n0x{22:040}\n", "may_shrink": True}
        for dry_run, answered in ((True, 200), (False, 403)):
            asked = await compliance.post("/v1/screening_lists", json=emptied | {"dry_run": dry_run})
            assert asked.status_code == answered, asked.text
        assert asked.json()["error"]["code"] == "screening_list_livemode"
        [listed] = (await compliance.get("/v1/screening_lists")).json()["data"]
        assert listed == made.json()

        payout = (await payer.post("/v1/payouts", json=PAYOUT, headers={"idempotency-key": "p1"})).json()
        assert payout["waits_for"] == "screening"
        [held] = (await compliance.get("/v1/screenings", params={"status": "open"})).json()["data"]
        assert (held["payout"], held["address"], held["reference"]) == (payout["id"], PAYEE, "SDN 7")
        assert (held["amount"], held["list"], held["deposit"]) == ("100.000000", "ofac.1", None)
        path = f"/v1/screenings/{held['id']}"
        assert code(await merchant.get(path)) == (403, "operator_only")
        assert code(await compliance.post("/v1/payouts", json=PAYOUT))[1] == "scope_missing"
        own = await payer.post(f"{path}/release", json={"reason": "mine"})
        assert code(own) == (403, "screening_own_payout")
        assert code(await compliance.post(f"{path}/release", json={"reason": " "}))[1] == "parameter_missing"

        done = (await compliance.post(f"{path}/release", json={"reason": "case 7"})).json()
        assert (done["status"], done["reason"], done["next_step"]) == ("released", "case 7", None)
        assert (await compliance.get(path)).json() == done
        assert code(await compliance.post(f"{path}/reject", json={"reason": "no"}))[0] == 409
        assert (await payer.get(f"/v1/payouts/{payout['id']}")).json()["waits_for"] is None


async def test_who_pays_whom_is_told_to_who_asks_and_to_nobody_else(shop: Shop, treasury: str) -> None:
    name = "Ada Example"
    async with shop.client(treasury) as payer, shop.client() as merchant:
        payout = (await payer.post("/v1/payouts", json=PAYOUT, headers={"idempotency-key": "p1"})).json()
        path = f"/v1/payouts/{payout['id']}/travel_rule"
        assert code(await payer.get(path)) == (404, "resource_missing")
        wrong: list[tuple[dict[str, Any], str]] = [
            ({}, "originator"),
            ({"beneficiary": {"country": "DE"}}, "beneficiary[name]"),
            ({"beneficiary": {"name": name, "country": "Germany"}}, "beneficiary[country]"),
            ({"originator": {"name": "Ada\nExample"}}, "originator[name]"),
            ({"originator": {"name": "x" * 141}}, "originator[name]"),
        ]
        for body, param in wrong:
            refused = (await payer.post(path, json=body)).json()["error"]
            assert refused["param"] == param, refused
            assert "Example" not in refused["message"]
        said = {"beneficiary": {"name": f" {name} ", "vasp": "529900T8BM49AURSDO55"}}
        first, again = [(await payer.post(path, json=said)).json() for _ in range(2)]
        assert first == again == (await payer.get(path)).json()
        assert (first["beneficiary"]["name"], first["version"], first["originator"]) == (name, 1, None)
        more = (await payer.post(path, json=said | {"originator": {"name": "Us"}})).json()
        assert (more["version"], more["originator"]["name"]) == (2, "Us")
        assert code(await merchant.get(path)) == (404, "resource_missing")
        intent = (
            await merchant.post("/v1/payment_intents", json={"amount": "5.00", "currency": "usdc"})
        ).json()
        beside = f"/v1/payment_intents/{intent['id']}/travel_rule"
        assert (await merchant.post(beside, json={"originator": {"name": name}})).json()["of"] == intent["id"]
        guess = ["POST", beside, shop.merchant, {"originator": {"name": name}}]
    async with shop.owner.read() as conn:
        for table in ("outbox", "audit_log", "idempotency_keys", "payouts", "payment_intents"):
            found = await conn.execute(
                f"SELECT count(*) FROM {table} AS t WHERE t::text LIKE '%Ada%'".encode()
            )
            assert await found.fetchone() == (0,), table
        guessed = hashlib.sha256(orjson.dumps(guess, option=orjson.OPT_SORT_KEYS)).hexdigest()
        found = await conn.execute(
            "SELECT details ->> 'fingerprint' FROM audit_log"
            " WHERE action = 'api.record_payment_intent_travel_rule'"
        )
        [(kept,)] = await found.fetchall()
        assert len(kept) == len(guessed)
        assert kept != guessed, "whoever reads the audit finds names by trying them"
