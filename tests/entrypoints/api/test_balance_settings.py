"""Balance settings over HTTP: one asset at a time, each with its own schedule, reserve and address."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.api import SECOND, Shop
from tests.support.cases import case

PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
ASSET = {"network": "eip155:31337", "currency": "usdc"}
DAILY = ASSET | {"interval": "daily", "hour": 2, "reserve": "100.00", "minimum": "10.00", "to": PAYEE}


WRONG: list[tuple[str, str, dict[str, Any]]] = [
    ("parameter_missing", "interval", {"interval": ...}),
    ("parameter_missing", "to", {"to": ...}),
    ("parameter_invalid", "interval", {"interval": "hourly"}),
    ("parameter_invalid", "hour", {"hour": 24}),
    ("schedule_invalid", "weekday", {"interval": "weekly"}),
    ("schedule_invalid", "weekday", {"weekday": "monday"}),
    ("schedule_invalid", "threshold", {"interval": "threshold"}),
    ("schedule_invalid", "threshold", {"threshold": "10.00"}),
    ("amount_not_string", "reserve", {"reserve": 5}),
    ("parameter_invalid", "reserve_bps", {"reserve_bps": 10_001}),
    ("amount_too_small", "minimum", {"minimum": "0.00"}),
    ("network_unsupported", "network", {"network": "eip155:5"}),
    ("token_unsupported", "currency", {"currency": "eurx"}),
    ("token_unsupported", "token", {"token": "tok_no"}),
    ("address_checksum_mismatch", "to", {"to": "0x70997970c51812dc3A010C7d01b50e0d17dc79C8"}),
    ("destination_unknown", "to", {"to": "wal_01jd3k9fz8e5v2s6m4x7q0c1bn"}),
    ("destination_is_ours", "to", {"to": "0x" + "01" * 20}),
]


async def say(client: httpx.AsyncClient, **settings: Any) -> list[dict[str, Any]]:
    answer = await client.post("/v1/balance_settings", json=settings)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (await client.get("/v1/balance_settings")).json() == shown
    return list(shown["settlements"])


async def settle(client: httpx.AsyncClient, key: str, **changes: Any) -> tuple[int, str]:
    answer = await client.post("/v1/settlements", json=ASSET | changes, headers={"idempotency-key": key})
    return answer.status_code, answer.json()["error"]["code"]


async def test_what_is_said_of_an_asset_stands_whole_beside_other_assets_and_accounts(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    now = int(shop.clock.now().timestamp())
    [daily] = await say(client, **DAILY)
    assert (daily["reserve"], daily["minimum"]) == ("100.000000", "10.000000")
    cool_off = int(shop.deps.settlement_cool_off_s)
    assert daily["destination"] == {"to": PAYEE, "entry": None, "usable_from": now + cool_off}
    assert 0 < daily["next_run_at"] - now <= 86_400
    assert daily["next_run_at"] % 86_400 == 2 * 3_600
    shop.clock.advance(60)
    [weekly] = await say(client, **ASSET, interval="weekly", weekday="friday", to=PAYEE)
    assert (weekly["reserve"], weekly["version"]) == ("0.000000", 2), "what is left out is none"
    assert weekly["destination"] == daily["destination"], "the same address goes on cooling off"

    async with shop.client(shop.rival_secret) as rival:
        assert (await rival.get("/v1/balance_settings")).json()["settlements"] == []
        assert await settle(rival, "rival") == (409, "settlement_destination_missing")
    assert await settle(client, "early") == (409, "settlement_destination_in_cooloff")
    shop.clock.advance(cool_off)
    assert await settle(client, "nothing") == (409, "settlement_nothing_due")
    assert await settle(client, "euro", currency="eurx") == (400, "token_unsupported")
    [manual] = await say(client, **ASSET, interval="manual")
    assert (manual["next_run_at"], manual["destination"]) == (None, None)
    assert await settle(client, "nowhere") == (409, "settlement_destination_missing")

    second = f"eip155:{SECOND}"
    both = await say(
        client, network=second, currency="usdc", interval="threshold", threshold="50.00", to=PAYEE
    )
    shown = {each["network"]: each for each in both}
    assert shown[ASSET["network"]] == manual, "another asset is not touched"
    assert (shown[second]["schedule"]["threshold"], shown[second]["version"]) == ("50.000000", 1)

    async with shop.owner.read() as conn:
        told = await conn.execute(
            "SELECT object_version FROM outbox WHERE type = 'balance_settings.updated' ORDER BY id"
        )
        assert [version for (version,) in await told.fetchall()] == [1, 2, 3, 4]


async def test_what_is_wrong_with_settings_is_named_and_changes_nothing(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    before = await shop.rows()
    for code, param, changes in WRONG:
        with case(changes):
            said = {name: value for name, value in (DAILY | changes).items() if value is not ...}
            answer = await client.post("/v1/balance_settings", json=said)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["param"]) == (400, code, param)
    assert await shop.rows() == before
