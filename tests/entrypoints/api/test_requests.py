"""The log of requests tells an account what it asked and how that ended, and nothing of what was said."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import structlog

from bascule.domain.errors import Retryable
from bascule.services import requests as service
from bascule.services.failpoints import Failpoints
from bascule.services.forgetter import Forgetter
from bascule.services.requests import RequestLog, shown_path
from bascule.services.seams import SystemClock, new_id
from bascule.storage import requests as stored
from bascule.storage.database import Connection
from bascule.storage.requests import Line
from tests.support.api import ENTROPY, Shop
from tests.support.cases import case
from tests.support.money_in import StandingClock
from tests.support.waiting import somebody_waits

PATH = "/v1/payment_intents"
BODY = {"amount": "25.00", "currency": "usdc"}


async def logged(shop: Shop, client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """The log of the client's account once all is written, newest first."""
    await shop.deps.requests.write()
    found: list[dict[str, Any]] = (await client.get("/v1/requests", params=query)).json()["data"]
    return found


def line(number: int, account_id: str = "acct_1") -> Line:
    return Line(f"req_{number}", account_id, False, "key_1", "GET", PATH, 200, None, False, 1)


async def test_each_request_of_the_account_is_told_with_its_end_and_none_of_its_words(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    answers = [
        await client.post(PATH, json=BODY | {"metadata": {"a": "said"}}, headers={"idempotency-key": "k"}),
        await client.post(PATH, json=BODY | {"metadata": {"a": "said"}}, headers={"idempotency-key": "k"}),
        await client.post(PATH, json={"amount": "said", "currency": "usdc"}),
        await client.get(f"{PATH}/undefined", params={"expand[]": "latest_deposit"}),
    ]

    found = await logged(shop, client)

    ends = ("method", "path", "status", "error_code", "idempotent_replayed")
    assert [tuple(each[name] for name in ends) for each in reversed(found)] == [
        ("POST", PATH, 200, None, False),
        ("POST", PATH, 200, None, True),
        ("POST", PATH, 400, answers[2].json()["error"]["code"], False),
        ("GET", f"{PATH}/undefined", 404, "resource_missing", False),
    ]
    assert [each["id"] for each in reversed(found)] == [a.headers["request-id"] for a in answers]
    assert {each["key_prefix"] for each in found} == {shop.secret[:16]}
    assert "said" not in str(found)
    one = await client.get(answers[3].json()["instance"])
    assert one.json() == found[0], "a problem's instance is its line"


async def test_what_we_did_wrong_ourselves_is_told_too(shop: Shop) -> None:
    class Failing(Failpoints):
        def hit(self, name: str) -> None:
            if name == "api.before_commit":
                raise RuntimeError("ours")

    shop.deps = replace(shop.deps, failpoints=Failing({"api.before_commit": 1}))
    async with shop.client() as failing:
        with structlog.testing.capture_logs():
            await failing.post(PATH, json=BODY)
        [told] = await logged(shop, failing)

    assert (told["status"], told["error_code"]) == (500, "internal_error")


async def test_log_is_narrowed_by_method_path_and_status(shop: Shop, client: httpx.AsyncClient) -> None:
    intent = (await client.post(PATH, json=BODY)).json()["id"]
    await client.get(f"{PATH}/{intent}")
    await client.get(f"{PATH}/none")
    await client.get("/v1/balance")
    for query, count in (
        ({}, 4), ({"method": "POST"}, 1), ({"path": PATH}, 3), ({"path": f"{PATH}/"}, 3),
        ({"path": f"{PATH}/{intent}"}, 1), ({"path": "/v1/payment"}, 0), ({"path": "/v1/payment%"}, 0),
        ({"status": "404"}, 1), ({"status": "2xx"}, 3), ({"status": "4xx", "method": "POST"}, 0),
    ):  # fmt: skip
        with case(str(query)):
            assert len(await logged(shop, client, **query)) == count
    for wrong in ({"status": "6xx"}, {"status": "2XX"}, {"path": "v1"}, {"method": "PATCH"}):
        with case(str(wrong)):
            answer = await client.get("/v1/requests", params=wrong)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, next(iter(wrong)))


async def test_nobody_sees_anothers_requests_and_reading_the_log_leaves_no_line(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    await client.get("/v1/balance")
    [mine] = await logged(shop, client)

    async with shop.client(shop.rival_secret) as rival, shop.client(shop.live_secret) as live:
        for other in (rival, live):
            assert await logged(shop, other) == []
            missing = await other.get(f"/v1/requests/{mine['id']}")
            cursor = await other.get("/v1/requests", params={"starting_after": mine["id"]})
            assert (missing.status_code, cursor.status_code) == (404, 404)
    async with shop.client("sk_test_" + "z" * 48) as stranger:
        await stranger.get("/v1/balance")
    assert await logged(shop, client) == [mine]


async def test_a_key_reads_the_log_by_its_scope_alone(shop: Shop) -> None:
    for scopes, status in ((["requests:read"], 200), (["balance:read"], 403)):
        secret = (await shop.key(shop.merchant, kind="rk", scopes=scopes)).secret
        async with shop.client(secret) as client:
            assert (await client.get("/v1/requests")).status_code == status


async def test_whoever_has_seen_a_line_finds_every_later_one_behind_it_whoever_wrote_it(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    """Two processes write what began in the other order; the one that holds the turn is waited for."""
    first, second = RequestLog(shop.api), RequestLog(shop.api)
    second.note(line(1, shop.merchant))
    async with shop.owner.transaction() as conn:
        await stored.append(conn, [line(2, shop.merchant)])
        waits = asyncio.create_task(second.write())
        await somebody_waits(conn)
    await waits
    first.note(line(0, shop.merchant))
    await first.write()

    after = await logged(shop, client, ending_before="req_2")
    assert [each["id"] for each in after] == ["req_0", "req_1"]


async def test_lines_that_find_no_room_are_counted_and_told_in_the_accounts_next_line(shop: Shop) -> None:
    log = RequestLog(shop.api, most=2)
    for number in range(5):
        log.note(line(number, "acct_1" if number < 4 else "acct_2"))
    with structlog.testing.capture_logs() as told:
        async with log.kept():
            pass
    assert [each["left_out"] for each in told if "left_out" in each] == [3]
    for number in (5, 6, 7):
        log.note(line(number, "acct_2" if number == 6 else "acct_1"))
        await log.write()

    async with shop.api.read() as conn:
        found = {
            each.id: each.left_out for each in await stored.get_many(conn, [f"req_{n}" for n in range(9)])
        }
    assert found == {"req_0": 0, "req_1": 0, "req_5": 2, "req_6": 1, "req_7": 0}
    assert log.left_out == 3


async def test_lines_wait_while_the_database_is_away_and_are_written_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, tries, again = RequestLog(shop.api, every_s=0.01), 0, asyncio.Event()
    write = stored.append

    async def lost(conn: Connection, lines: list[Line]) -> None:
        nonlocal tries
        tries += 1
        await write(conn, lines)
        if tries == 1:  # written by somebody who does not know it
            await conn.execute(b"COMMIT")
            raise Retryable("gone")
        again.set()

    monkeypatch.setattr(service.requests, "append", lost)
    with structlog.testing.capture_logs() as told:
        async with log.kept():
            log.note(line(1))
            await again.wait()
    async with shop.api.read() as conn:
        found = await stored.get_many(conn, ["req_1"])

    assert [each.id for each in found] == ["req_1"]
    assert [(each["event"], each["lines"]) for each in told] == [("lines of requests wait", 1)]


async def test_a_line_that_cannot_be_written_is_told_and_counted_and_ends_nothing(shop: Shop) -> None:
    log = RequestLog(shop.api)
    bad = line(1)
    bad.path = "/" * 201
    log.note(bad)
    with structlog.testing.capture_logs() as told:
        async with log.kept():
            pass
    log.note(line(2))
    await log.write()

    async with shop.api.read() as conn:
        [after] = await stored.get_many(conn, ["req_1", "req_2"])
    assert (after.id, after.left_out, log.left_out) == ("req_2", 1, 1)
    assert told[0]["event"] == "lines of requests are lost"
    assert "exc_info" in told[0]


async def test_a_line_that_came_while_another_was_lost_is_written(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, write = RequestLog(shop.api, every_s=0.01), stored.append
    written = asyncio.Event()

    async def losing(conn: Connection, lines: list[Line]) -> None:
        if not log.left_out and lines[0].id == "req_1":
            log.note(line(2))
            raise ValueError("a line that cannot be")
        await write(conn, lines)
        written.set()

    monkeypatch.setattr(service.requests, "append", losing)
    async with log.kept():
        log.note(line(1))
        await asyncio.wait_for(written.wait(), 30)

    async with shop.api.read() as conn:
        [after] = await stored.get_many(conn, ["req_1", "req_2"])
    assert (after.id, log.left_out) == ("req_2", 1)


async def test_lines_older_than_thirty_days_are_forgotten_and_no_younger_one(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    made = {days: SystemClock().now() - timedelta(days=days) for days in (31, 29)}
    old = {days: line(0, shop.merchant) for days in made}
    for days, each in old.items():
        each.id = new_id("req", StandingClock(made[days]), ENTROPY)
    async with shop.owner.transaction() as conn:
        await stored.append(conn, list(old.values()))
        await conn.execute("ALTER TABLE requests DISABLE TRIGGER append_only")
        for days, each in old.items():
            await conn.execute("UPDATE requests SET created_at = %s WHERE id = %s", [made[days], each.id])
        await conn.execute("ALTER TABLE requests ENABLE TRIGGER append_only")
    shop.clock.advance(365 * 24 * 3600)  # a worker whose clock is wrong forgets nothing too early

    assert [await Forgetter(shop.worker, shop.clock).run_once() for _ in range(2)] == [1, 0]
    assert [each["id"] for each in await logged(shop, client)] == [old[29].id]


def test_path_of_a_line_holds_no_secret_and_nothing_unreadable() -> None:
    shown: Mapping[str, str] = {
        "/v1/payment_intents/pi_1": "/v1/payment_intents/pi_1",
        "/v1/api_keys/sk_test_abcdefghijklmnop/rotate": "/v1/api_keys/sk_test_abcdefgh…/rotate",
        "/v1/payment_intents/pi_1_secret_xyz": "/v1/payment_intents/pi_1_secret_…",
        "/v1/webhook_endpoints/whsec_abc=": "/v1/webhook_endpoints/whsec_…",
        "/v1/a\x00b\ud800c": "/v1/a\ufffdb\ufffdc",
        "/v1/" + "x" * 1_000: "/v1/" + "x" * 196,
    }
    assert {path: shown_path(path) for path in shown} == shown


async def test_account_that_asks_much_leaves_room_for_the_lines_of_others(shop: Shop) -> None:
    log = RequestLog(shop.api, most=10, share=2)
    for number in range(1, 5):
        log.note(line(number, "acct_1"))
    log.note(line(5, "acct_2"))
    await log.write()
    log.note(line(6, "acct_1"))
    await log.write()

    assert await left_out_of(shop) == {"req_1": 0, "req_2": 0, "req_5": 0, "req_6": 2}
    assert log.left_out == 2


async def test_a_line_that_cannot_be_written_costs_no_other_line(shop: Shop) -> None:
    log = RequestLog(shop.api)
    for number in range(1, 8):
        log.note(each := line(number))
        if number in (3, 4):
            each.path = "/" * 201
    with structlog.testing.capture_logs() as told:
        await log.write()
    log.note(line(8))
    await log.write()

    assert await left_out_of(shop) == {f"req_{n}": 2 * (n == 8) for n in (1, 2, 5, 6, 7, 8)}
    assert [each["lines"] for each in told] == [1, 1]


async def test_lines_none_of_which_can_be_written_are_given_up_after_few_tries(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, tries = RequestLog(shop.api), 0

    async def never(conn: Connection, lines: list[Line]) -> None:
        nonlocal tries
        tries += 1
        raise ValueError("whatever the lines are")

    monkeypatch.setattr(service.requests, "append", never)
    for number in range(1_000):
        log.note(line(number))
    with structlog.testing.capture_logs() as told:
        await log.write()

    assert (log.left_out, sum(each["lines"] for each in told)) == (1_000, 1_000)
    assert tries < 50


async def left_out_of(shop: Shop) -> dict[str, int]:
    """The lines that are written, with what each says is missing before it."""
    async with shop.api.read() as conn:
        found = await stored.get_many(conn, [f"req_{n}" for n in range(9)])
    return {each.id: each.left_out for each in found}
