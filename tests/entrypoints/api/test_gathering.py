"""Requests that come while others are worked on share a transaction, and nothing else."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from bascule.entrypoints.api.gathering import Gathering
from tests.support.api import Shop
from tests.support.crashing import Crash, Crashing

PATH = "/v1/payment_intents"
SPOIL = """
CREATE FUNCTION refuse_spoilt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'spoilt' USING errcode = '40P01'; END $$;
CREATE TRIGGER spoilt BEFORE INSERT ON payment_intents FOR EACH ROW
    WHEN (new.description = 'spoilt') EXECUTE FUNCTION refuse_spoilt();
"""
TRANSACTIONS = "SELECT count(DISTINCT xmin::text), count(*) FROM payment_intents"


async def ask(client: httpx.AsyncClient, n: int, key: str | None = None, **params: Any) -> httpx.Response:
    body = {"amount": f"{n + 1}.00", "currency": "usdc"} | params
    return await client.post(PATH, json=body, headers={"idempotency-key": key or f"k{n}"})


async def at_once(shop: Shop, requests: Sequence[Any], *, against: str = "EXCLUSIVE") -> list[Any]:
    """One that comes first, and the others while it is worked on: it ends when all have come.

    against: the lock that stops what is asked for.
    """
    came, do = 0, Gathering.do

    async def counted(self: Gathering[Any, Any], asked: Any) -> Any:
        nonlocal came
        came += 1
        try:
            return await do(self, asked)
        finally:
            came -= 1

    async def all_have_come() -> None:
        async with asyncio.timeout(30):
            # some are refused before; a request has no event for us
            while came + sum(task.done() for task in tasks) < len(tasks):  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    tasks: list[asyncio.Future[Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gathering, "do", counted)
        async with shop.owner.transaction() as conn:
            await conn.execute(f"LOCK TABLE payment_intents IN {against} MODE".encode())
            for some in (requests[:1], requests[1:]):
                tasks += [asyncio.ensure_future(request) for request in some]
                await all_have_come()
        return await asyncio.gather(*tasks, return_exceptions=True)


async def transactions(shop: Shop) -> tuple[int, int]:
    async with shop.owner.read() as conn:
        row = await (await conn.execute(TRANSACTIONS)).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


async def test_twenty_at_once_take_two_transactions_and_each_is_answered_for_itself(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    answers = await at_once(shop, [ask(client, n) for n in range(20)])

    assert sorted(float(answer.json()["amount"]) for answer in answers) == [n + 1 for n in range(20)]
    assert await transactions(shop) == (2, 20)
    for n, answer in enumerate(answers):
        again = await ask(client, n)
        assert (again.content, again.headers["idempotent-replayed"]) == (answer.content, "true")
        read = await client.get(f"{PATH}/{answer.json()['id']}")
        assert read.json() == answer.json(), "what is shown is what is stored"


async def test_refused_ones_among_many_are_told_why_and_write_nothing(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    wrong: list[dict[str, Any]] = [
        {"currency": "eurc"}, {"amount": "0.0000001"}, {"accepted": [{"token": "tok_none"}]},
        {"expand": ["no_such"]}, {"policy": {"finality": "safe"}},
    ]  # fmt: skip

    answers = await at_once(
        shop, [ask(client, n, **(wrong[n // 2] if n % 2 else {})) for n in range(2 * len(wrong))]
    )

    codes = [answer.json().get("error", {}).get("code") for answer in answers]
    assert codes[::2] == [None] * len(wrong)
    assert codes[1::2] == [
        "currency_unsupported", "amount_too_precise", "token_unknown", *["parameter_invalid"] * 2,
    ]  # fmt: skip
    rows = await shop.rows()
    assert [rows[name] for name in ("payment_intents", "outbox", "idempotency_keys")] == [len(wrong)] * 3


async def test_one_that_spoils_the_transaction_meets_its_error_alone(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    await shop.run(SPOIL)

    answers = await at_once(
        shop, [ask(client, n, description="spoilt" if n == 5 else "fine") for n in range(9)]
    )

    assert [answer.status_code for answer in answers] == [200] * 5 + [503] + [200] * 3
    rows = await shop.rows()
    assert [rows[name] for name in ("payment_intents", "outbox", "idempotency_keys")] == [8, 8, 8]


async def test_of_one_key_among_many_one_is_worked_on(shop: Shop, client: httpx.AsyncClient) -> None:
    same = [ask(client, 0, "same") for _ in range(4)]
    others = [ask(client, 7, "same"), *(ask(client, n) for n in range(1, 4))]

    answers = await at_once(shop, [ask(client, 9, "first"), *same, *others])

    told = Counter((answer.status_code, answer.json().get("error", {}).get("code")) for answer in answers)
    assert told == {(200, None): 5, (409, "idempotency_key_in_use"): 4}
    assert (await shop.rows())["payment_intents"] == 5


@pytest.mark.parametrize(("failpoint", "kept"), [("api.before_commit", 1), ("api.after_commit", 9)])
async def test_a_crash_with_many_under_way_leaves_each_retry_one_effect(
    shop: Shop, client: httpx.AsyncClient, failpoint: str, kept: int
) -> None:
    async with shop.client(failpoints=Crashing(failpoint, 2)) as dying:
        answers = await at_once(shop, [ask(dying, n) for n in range(9)])
    assert Counter(map(type, answers)) == {httpx.Response: 1, Crash: 8}
    assert (await transactions(shop))[1] == kept

    retried = await asyncio.gather(*(ask(client, n) for n in range(9)))

    assert {answer.status_code for answer in retried} == {200}
    rows = await shop.rows()
    assert [rows[name] for name in ("payment_intents", "outbox", "idempotency_keys")] == [9, 9, 9]


async def test_who_stops_waiting_stops_nobody_elses_work() -> None:
    gate, groups = asyncio.Event(), []

    async def work(group: Sequence[int]) -> list[int]:
        groups.append(list(group))
        await gate.wait()
        return [-each for each in group]

    gathering = Gathering(work)
    tasks = [asyncio.create_task(gathering.do(n)) for n in range(4)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[2].cancel()
    await asyncio.sleep(0)
    gate.set()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert (outcomes[1], outcomes[3]) == (-1, -3)
    assert {type(outcomes[0]), type(outcomes[2])} == {asyncio.CancelledError}
    assert [each for group in groups for each in group] == [0, 1, 2, 3]


async def test_as_many_as_there_were_are_waited_for_and_who_is_alone_waits_once() -> None:
    groups: list[list[int]] = []

    async def work(group: Sequence[int]) -> list[int]:
        groups.append(list(group))
        return [-each for each in group]

    async def later(n: int) -> int:
        for _ in range(n):
            await asyncio.sleep(0)
        return await gathering.do(n)

    gathering = Gathering(work)
    assert await asyncio.gather(*map(gathering.do, range(4))) == [0, -1, -2, -3]
    assert await asyncio.gather(*map(later, range(4))) == [0, -1, -2, -3]
    assert [await gathering.do(n) for n in (7, 8)] == [-7, -8]

    assert groups == [[0, 1, 2, 3], [0, 1, 2, 3], [7], [8]]
    alone = asyncio.create_task(gathering.do(9))
    for _ in range(5):
        await asyncio.sleep(0)
    assert alone.done(), "nobody else is expected any more"
