"""One effect per key, whatever is repeated, raced or killed."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from bascule.entrypoints.api import create_app
from bascule.services.failpoints import Failpoints
from bascule.services.forgetter import Forgetter
from tests.support.api import Shop
from tests.support.crashing import Crash, Crashing
from tests.support.sandbox import client_of, served
from tests.support.waiting import somebody_waits

PATH = "/v1/payment_intents"
BODY = {"amount": "25.00", "currency": "usdc"}


def key(value: str) -> dict[str, str]:
    return {"idempotency-key": value}


async def test_the_same_request_again_gets_the_same_bytes_and_no_second_effect(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    first = await client.post(PATH, json=BODY, headers=key("a"))
    before = await shop.rows()
    shop.clock.advance(60)

    again = await client.post(PATH, content=b'{"currency":"usdc", "amount":"25.00"}',
                              headers=key('"a"') | {"content-type": "application/json"})  # fmt: skip

    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert again.headers["request-id"] != first.headers["request-id"]
    assert await shop.rows() == before


async def test_another_request_under_a_used_key_is_refused(shop: Shop, client: httpx.AsyncClient) -> None:
    made = (await client.post(PATH, json=BODY, headers=key("a"))).json()
    before = await shop.rows()

    other_body = await client.post(PATH, json=BODY | {"amount": "26.00"}, headers=key("a"))
    other_path = await client.post(f"{PATH}/{made['id']}/cancel", headers=key("a"))

    for answer in (other_body, other_path):
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "idempotency_key_reused"
        assert answer.json()["error"]["type"] == "idempotency_error"
        assert answer.headers["stripe-should-retry"] == "false"
    assert await shop.rows() == before


async def test_keys_of_different_accounts_and_modes_are_different_keys(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    mine = (await client.post(PATH, json=BODY, headers=key("a"))).json()
    async with shop.client(shop.rival_secret) as rival, shop.client(shop.live_secret) as live:
        theirs = (await rival.post(PATH, json=BODY, headers=key("a"))).json()
        real = (await live.post(PATH, json=BODY, headers=key("a"))).json()

    assert len({mine["id"], theirs["id"], real["id"]}) == 3


async def test_an_error_is_not_kept_so_the_key_may_try_again(client: httpx.AsyncClient) -> None:
    wrong = await client.post(PATH, json=BODY | {"currency": "eurc"}, headers=key("a"))
    right = await client.post(PATH, json=BODY, headers=key("a"))

    assert (wrong.status_code, right.status_code) == (400, 200)


@pytest.mark.parametrize("value", ["", "ä", "x" * 256, "a b"])
async def test_a_key_that_is_no_key_is_refused(client: httpx.AsyncClient, value: str) -> None:
    answer = await client.post(PATH, json=BODY, headers={"idempotency-key": value.encode("latin-1")})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "idempotency_key_invalid")


async def test_money_out_is_refused_without_a_key(shop: Shop, client: httpx.AsyncClient) -> None:
    before = await shop.rows()

    answer = await client.post("/v1/payouts", json={})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "idempotency_key_missing")
    assert await shop.rows() == before


async def test_fifty_requests_at_once_with_one_key_make_one_intent(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    answers = await asyncio.gather(*(client.post(PATH, json=BODY, headers=key("race")) for _ in range(50)))

    by_status = Counter(answer.status_code for answer in answers)
    assert set(by_status) <= {200, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["error"]["code"] == "idempotency_key_in_use"
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["stripe-should-retry"] == "true"
    rows = await shop.rows()
    assert (rows["payment_intents"], rows["outbox"], rows["idempotency_keys"]) == (1, 1, 1)


async def test_a_key_that_is_being_worked_on_is_409_at_once(shop: Shop, client: httpx.AsyncClient) -> None:
    async with shop.owner.transaction() as conn:
        scope = f"idempotency:{shop.merchant}:False:held"
        await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [scope])
        answer = await client.post(PATH, json=BODY, headers=key("held"))

    after = await client.post(PATH, json=BODY, headers=key("held"))
    assert (answer.status_code, after.status_code) == (409, 200)


async def test_a_retry_is_409_at_once_also_behind_a_first_request_that_is_held_up(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    """It would else wait in the next group, and be told for the first one's sake that nothing is ready."""
    async with shop.owner.transaction() as conn:
        await conn.execute("LOCK TABLE payment_intents IN SHARE MODE")
        first = asyncio.create_task(client.post(PATH, json=BODY, headers=key("a")))
        await somebody_waits(conn)
        behind = asyncio.create_task(client.post(PATH, json=BODY, headers=key("b")))
        for _ in range(2):
            again = await client.post(PATH, json=BODY, headers=key("a"))
            assert (again.status_code, again.headers["retry-after"]) == (409, "1")
            assert again.json()["error"]["code"] == "idempotency_key_in_use"
        assert not first.done()
    made = [await first, await behind]
    again = await client.post(PATH, json=BODY, headers=key("a"))

    assert [each.status_code for each in made] == [200, 200]
    assert (again.content, again.headers["idempotent-replayed"]) == (made[0].content, "true")
    assert (await shop.rows())["payment_intents"] == 2


async def test_client_that_gave_up_waiting_finds_one_effect_and_the_answer_it_never_had(shop: Shop) -> None:
    async with served(create_app(shop.deps)) as url, client_of(url, shop.secret) as client:
        async with shop.owner.transaction() as conn:
            await conn.execute("LOCK TABLE payment_intents IN SHARE MODE")
            with pytest.raises(httpx.ReadTimeout):
                await client.post(PATH, json=BODY, headers=key("a"), timeout=httpx.Timeout(20, read=0.1))
            await somebody_waits(conn)  # the request lives on without its client
        for _ in range(1_000):
            again = await client.post(PATH, json=BODY, headers=key("a"))
            if again.status_code != 409:
                break
            await asyncio.sleep(0.01)

    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    async with shop.owner.read() as conn:
        kept = await (await conn.execute("SELECT body FROM idempotency_keys")).fetchall()
    assert kept == [(again.content,)]
    rows = await shop.rows()
    assert (rows["payment_intents"], rows["outbox"], rows["deposit_addresses"]) == (1, 1, 3)


@pytest.mark.parametrize(
    ("failpoint", "kept"),
    [("api.before_commit", 0), ("api.after_commit", 1), ("api.before_response", 1)],
)
async def test_a_crash_leaves_all_or_nothing_and_the_retry_ends_with_one_effect(
    shop: Shop, client: httpx.AsyncClient, failpoint: str, kept: int
) -> None:
    async with shop.client(failpoints=Crashing(failpoint)) as dying:
        with pytest.raises(Crash):
            await dying.post(PATH, json=BODY, headers=key("a"))
    assert (await shop.rows())["payment_intents"] == kept

    retried: Any = await client.post(PATH, json=BODY, headers=key("a"))

    assert retried.status_code == 200
    assert ("idempotent-replayed" in retried.headers) == bool(kept)
    rows = await shop.rows()
    assert (rows["payment_intents"], rows["outbox"], rows["deposit_addresses"]) == (1, 1, 3)


async def test_retry_after_an_error_of_ours_ends_with_one_effect(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    class Failing(Failpoints):
        def hit(self, name: str) -> None:
            if name == "api.before_commit":
                raise RuntimeError("ours")

    async with shop.client(failpoints=Failing({"api.before_commit": 1})) as failing:
        failed = await failing.post(PATH, json=BODY, headers=key("a"))
    assert (failed.status_code, (await shop.rows())["payment_intents"]) == (500, 0)
    assert failed.headers["stripe-should-retry"] == "true"  # as docs/api/errors.md says

    retried = await client.post(PATH, json=BODY, headers=key("a"))

    assert (retried.status_code, "idempotent-replayed" in retried.headers) == (200, False)
    assert (await shop.rows())["payment_intents"] == 1


async def test_answer_is_forgotten_after_thirty_days_and_never_before(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    for name in ("old", "young"):
        await client.post(PATH, json=BODY, headers=key(name))
    aged = "UPDATE idempotency_keys SET created_at = now() - make_interval(days => %s) WHERE key = %s"
    for days, name in ((31, "old"), (29, "young")):
        await shop.run(aged, days, name)
    shop.clock.advance(365 * 24 * 3600)  # a worker whose clock is wrong forgets nothing too early

    assert [await Forgetter(shop.worker, shop.clock).run_once() for _ in range(2)] == [1, 0]
    again = await client.post(PATH, json=BODY | {"amount": "1.00"}, headers=key("old"))
    kept = await client.post(PATH, json=BODY | {"amount": "1.00"}, headers=key("young"))

    assert (again.status_code, kept.json()["error"]["code"]) == (200, "idempotency_key_reused")


async def _vacuum(shop: Shop) -> None:
    """Room that was given up may be taken."""
    async with shop.owner.read() as conn:
        await conn.execute("VACUUM (ANALYZE) idempotency_keys")


async def test_answers_that_are_not_old_are_not_read_to_find_those_that_are(shop: Shop) -> None:
    """Where new answers took the room of those forgotten, old and new ones are neighbours."""
    fill = (
        "INSERT INTO idempotency_keys SELECT %s, false, 'k' || n, sha256(n::text::bytea), 200,"
        " decode(repeat(md5(n::text), 40), 'hex'), now() - make_interval(days => %s), '2026-12-01'"
        " FROM generate_series(%s::int, %s::int) AS n"
    )
    await shop.run(fill, shop.merchant, 60, 1, 4000)
    await _vacuum(shop)
    assert await Forgetter(shop.worker, shop.clock).run_once() == 4000
    await _vacuum(shop)
    await shop.run(fill, shop.merchant, 1, 4001, 8000)
    await _vacuum(shop)

    async with shop.worker.read() as conn:
        looked = "EXPLAIN (ANALYZE, BUFFERS, FORMAT json) SELECT forget_answers(now(), 2000)"
        for _ in range(2):  # the first reads catalogs, too
            [[[told]]] = await (await conn.execute(looked)).fetchall()
        [[pages]] = await (
            await conn.execute("SELECT relpages FROM pg_class WHERE relname = 'idempotency_keys'")
        ).fetchall()
    read = told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"]
    assert (pages > 300, read < 50) == (True, True), (pages, read)
