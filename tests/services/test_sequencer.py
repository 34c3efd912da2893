"""Numbers are given to what is committed, without holes, by any number of sequencers."""

import asyncio
from contextlib import suppress

import orjson
import pytest
from psycopg.errors import InvalidColumnReference, NotNullViolation

from bascule.domain.versions import API_VERSION
from bascule.domain.webhook import EventType
from bascule.services.outbox import PING, Outbox
from bascule.services.sequencer import hearing
from bascule.storage import events
from bascule.storage.events import Event
from bascule.storage.webhooks import Listener
from tests.support.api import ENTROPY, START, Shop
from tests.support.crashing import Crash, Crashing


async def happen(shop: Shop, account: str, n: int, *, fail: bool = False, livemode: bool = False) -> None:
    """One committed (or rolled back) happening."""
    outbox = Outbox(shop.clock, ENTROPY)
    async with shop.api.transaction() as conn:
        await outbox.append(
            conn, account_id=account, livemode=livemode, type=EventType.INTENT_CREATED, object_id=f"pi_{n}",
            object_version=1, object={"id": f"pi_{n}"}, request={"id": "req_1", "idempotency_key": None},
        )  # fmt: skip
        if fail:
            raise Interrupted


class Interrupted(Exception):
    """A business transaction that fails after it has told."""


async def numbers(shop: Shop, account: str) -> list[int]:
    async with shop.owner.read() as conn:
        rows = await (
            await conn.execute(
                "SELECT account_sequence FROM events WHERE account_id = %s ORDER BY 1", [account]
            )
        ).fetchall()
    return [int(row[0]) for row in rows]


async def test_numbers_have_no_holes_while_two_sequencers_and_writers_race(shop: Shop) -> None:
    """Some transactions fail after taking an outbox id; no number may be lost to them."""
    first, second = shop.sequencer(), shop.sequencer()
    writing = True

    async def write(account: str) -> None:
        for n in range(40):
            with suppress(Interrupted):
                await happen(shop, account, n, fail=n % 7 == 3)

    async def sequence(worker: object) -> None:
        while writing:
            await worker.run_once()  # type: ignore[attr-defined]
            await asyncio.sleep(0)

    racing = [asyncio.create_task(sequence(worker)) for worker in (first, second)]
    await asyncio.gather(write(shop.merchant), write(shop.rival), write(shop.merchant))
    writing = False
    await asyncio.gather(*racing)
    while await first.run_once():
        pass

    kept = 40 - len([n for n in range(40) if n % 7 == 3])
    assert await numbers(shop, shop.merchant) == list(range(1, 2 * kept + 1))
    assert await numbers(shop, shop.rival) == list(range(1, kept + 1))
    assert await first.run_once() == 0


async def test_test_and_live_events_are_numbered_apart_as_a_key_sees_only_one_of_them(shop: Shop) -> None:
    for livemode in (False, True, True, False, True):
        await happen(shop, shop.merchant, 1, livemode=livemode)
    assert await shop.sequencer().run_once() == 5

    async with shop.owner.read() as conn:
        rows = await (
            await conn.execute("SELECT livemode, account_sequence FROM events ORDER BY 1, 2")
        ).fetchall()
    assert [tuple(row) for row in rows] == [(False, 1), (False, 2), (True, 1), (True, 2), (True, 3)]


async def test_the_stored_body_is_the_envelope_with_its_number(shop: Shop) -> None:
    await happen(shop, shop.merchant, 1)
    await shop.sequencer().run_once()

    async with shop.owner.read() as conn:
        row = await (await conn.execute("SELECT id, body FROM events")).fetchone()
    assert row is not None
    body = orjson.loads(row[1])
    assert body["id"] == row[0]
    assert (body["account"], body["account_sequence"], body["object"]) == (shop.merchant, 1, "event")
    assert body["data"] == {"object": {"id": "pi_1"}, "previous_attributes": None}
    assert (body["created"], body["timestamp"]) == (int(START.timestamp()), "2026-11-21T12:00:00Z")


@pytest.mark.parametrize("failpoint", ["sequencer.before_commit", "sequencer.after_commit"])
async def test_a_crash_of_the_sequencer_loses_and_doubles_nothing(shop: Shop, failpoint: str) -> None:
    for n in range(3):
        await happen(shop, shop.merchant, n)
    with pytest.raises(Crash):
        await shop.sequencer(Crashing(failpoint)).run_once()

    await shop.sequencer().run_once()

    assert await numbers(shop, shop.merchant) == [1, 2, 3]


async def test_an_account_whose_counter_is_held_is_left_to_the_other_sequencer(shop: Shop) -> None:
    await happen(shop, shop.merchant, 1)
    async with shop.owner.transaction() as conn:
        held = await events.hold_sequences(conn, [(shop.merchant, False)])
        assert held == {(shop.merchant, False): (0, API_VERSION)}
        # The row is new and not committed: the other sequencer must not wait for it for ever.
        waiting = asyncio.create_task(shop.sequencer().run_once())
        await asyncio.sleep(0)
    await waiting
    assert await shop.sequencer().run_once() + waiting.result() == 1
    assert await numbers(shop, shop.merchant) == [1]


def event(type: str, livemode: bool = False) -> Event:
    return Event("evt_1", "acct_1", 1, livemode, type, "we_2", b"{}", START)


def test_only_endpoints_of_the_mode_that_listen_are_told() -> None:
    all_, some, live = (
        Listener("we_1", False, ("*",)),
        Listener("we_2", False, ("payment_intent.succeeded",)),
        Listener("we_3", True, ("*",)),
    )

    assert hearing(event("payment_intent.created"), [all_, some, live]) == [all_]
    assert hearing(event("payment_intent.succeeded"), [all_, some, live]) == [all_, some]
    assert hearing(event("payment_intent.created", livemode=True), [all_, some, live]) == [live]
    assert hearing(event(PING), [all_, some, live]) == [some]


async def test_who_counts_both_modes_together_is_refused(shop: Shop) -> None:
    """A worker of before counted by account: on this schema it numbers nothing, and ends."""
    counter = "INSERT INTO event_sequences (account_id, last) VALUES ('{}', 0) {}"
    before = counter.format(shop.merchant, "ON CONFLICT (account_id) DO NOTHING")
    plain = counter.format(shop.merchant, "")
    for statement, refusal in ((before, InvalidColumnReference), (plain, NotNullViolation)):
        with pytest.raises(refusal):
            async with shop.owner.transaction() as conn:
                await conn.execute(statement.encode())
    await happen(shop, shop.merchant, 1)
    await shop.sequencer().run_once()
    assert await numbers(shop, shop.merchant) == [1]
