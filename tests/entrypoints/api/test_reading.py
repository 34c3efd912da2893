"""A key that was good a moment ago is asked for along with what is read, and believed while it is so."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest

from bascule.entrypoints.api.limits import Rates
from bascule.services import deposits, intents
from bascule.storage import statements
from bascule.storage.database import Connection
from tests.entrypoints.api.test_gathering import at_once
from tests.entrypoints.api.test_requests import BODY, PATH, logged
from tests.support.api import Shop
from tests.support.cases import case

CHANGES = {
    "revoked": "UPDATE api_keys SET revoked_at = now() WHERE id = %s",
    "expired": "UPDATE api_keys SET expires_at = '2020-01-01' WHERE id = %s",
    "of another place": "UPDATE api_keys SET allowed_ips = '{10.0.0.0/8}' WHERE id = %s",
    "of fewer scopes": "UPDATE api_keys SET scopes = '{balance:read}' WHERE id = %s",
    "of another version": "UPDATE accounts SET test_version = 'x' WHERE id = "
    "(SELECT account_id FROM api_keys WHERE id = %s)",
    "used since": "UPDATE api_keys SET last_used_at = last_used_at + interval '1 second' WHERE id = %s",
}


async def told(client: httpx.AsyncClient, paths: list[str]) -> list[Any]:
    """How requests to these paths end: status, code or answer, and the version they were meant in."""
    found = []
    for path in paths:
        answer = await client.get(path)
        said = answer.json()
        end = said["error"]["code"] if answer.is_error else said
        found.append((answer.status_code, end, answer.headers["bascule-version"]))
    return found


@pytest.mark.parametrize("change", CHANGES)
async def test_whatever_changed_of_a_key_is_answered_as_if_it_was_never_seen(
    shop: Shop, client: httpx.AsyncClient, change: str
) -> None:
    intent = (await client.post(PATH, json=BODY)).json()["id"]
    key = await shop.key(shop.merchant, kind="rk", scopes=["payment_intents:read"])
    paths = [f"{PATH}/{intent}", PATH, f"{PATH}/undefined", f"{PATH}?limit=0", "/v1/events", "/v1/payouts"]

    async with shop.client(key.secret) as seen:
        before = await told(seen, paths)
        assert [status for status, *_ in before] == [200, 200, 404, 400, 403, 403]
        await told(seen, paths * statements.PREPARED_AFTER)
        await shop.run(CHANGES[change], key.id)
        for path in paths:  # each is the first after the change
            with case(path):
                now = await told(seen, [path])
                shop.deps.keys._known.clear()
                assert now == await told(seen, [path])
                await shop.run("UPDATE api_keys SET last_used_at = last_used_at WHERE id = %s", key.id)
        assert (await told(seen, paths) == before) == (change == "used since")


@pytest.mark.parametrize("change", ["revoked", "of another place"])
async def test_key_that_has_ended_takes_no_requests_from_its_account(shop: Shop, change: str) -> None:
    shop.deps = replace(shop.deps, pace=Rates(test=1))
    key = await shop.key(shop.merchant)
    account = f"{shop.merchant}:False"

    async with shop.client(key.secret) as seen:
        assert "ratelimit" in [await seen.get("/v1/balance") for _ in range(2)][1].headers
        await shop.run(CHANGES[change], key.id)
        first = await seen.get("/v1/balance")  # it is heard only then that it has ended
        taken = shop.deps.limiter.full_at[account]
        answers = [first, *[await seen.get("/v1/balance") for _ in range(3)]]

    assert {each.status_code for each in answers} == {401 if change == "revoked" else 403}
    assert not any("ratelimit" in each.headers for each in answers)
    assert shop.deps.limiter.full_at[account] == taken


async def test_revoked_key_leaves_no_line_whatever_it_was_seen_as(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    key = await shop.key(shop.merchant)
    async with shop.client(key.secret) as seen:
        for _ in range(statements.PREPARED_AFTER + 2):
            assert (await seen.get("/v1/balance")).status_code == 200
        lines = len(await logged(shop, client))
        await shop.run(CHANGES["revoked"], key.id)
        assert (await seen.get("/v1/balance")).status_code == 401
    assert len(await logged(shop, client)) == lines


async def test_key_seen_good_takes_no_turn_of_its_own(
    shop: Shop, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{PATH}/{(await client.post(PATH, json=BODY)).json()['id']}"
    async with shop.client() as asking:
        for _ in range(4 * (statements.PREPARED_AFTER + 2)):  # on each of its connections
            await asking.get(path)
        turns = []
        together, alone = statements._together, statements._alone

        async def counted_together(*given: Any) -> Any:
            turns.append("both")
            return await together(*given)

        async def counted_alone(*given: Any) -> Any:
            turns.append("one")
            return await alone(*given)

        monkeypatch.setattr(statements, "_together", counted_together)
        monkeypatch.setattr(statements, "_alone", counted_alone)
        assert (await asking.get(path)).status_code == 200
    assert turns == ["both"]


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


async def read_together(
    shop: Shop,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    asked: list[tuple[str, str]],
    *,
    fails: bool = False,
) -> tuple[list[httpx.Response], list[int]]:
    """The answers, and how many intents were looked for at once. asked: keys and paths.

    fails: whether that fails for several.
    """
    sizes, look = [], intents.look_at_each

    async def counted(conn: Connection, wanted: Sequence[intents.Owned]) -> Any:
        sizes.append(len(wanted))
        if fails and len(wanted) > 1:
            raise RuntimeError("not for several")
        return await look(conn, wanted)

    monkeypatch.setattr(intents, "look_at_each", counted)
    requests = [client.get(path, headers=bearer(secret)) for secret, path in asked]
    return await at_once(shop, requests, against="ACCESS EXCLUSIVE"), sizes


async def test_those_who_read_at_once_share_a_turn_and_are_each_answered_for_themselves(
    shop: Shop, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = [f"{PATH}/{(await client.post(PATH, json=BODY)).json()['id']}" for _ in range(2)]
    keys = {name: await shop.key(shop.merchant) for name in CHANGES}
    before = (await client.get(own)).content
    for secret in (shop.rival_secret, *(key.secret for key in keys.values())) * 2:
        await client.get(own, headers=bearer(secret))  # and is remembered, once its use is noted
    for name in keys.keys() - {"of another version"}:  # which would change it for all of them
        await shop.run(CHANGES[name], keys[name].id)
    asked = [
        (shop.secret, own), (shop.secret, other), (shop.rival_secret, own),
        (shop.secret, f"{own}?expand[]=nothing"), (shop.secret, f"{PATH}/undefined"),
        (shop.secret, f"{own}?expand[]=latest_deposit"), *((keys[name].secret, own) for name in CHANGES),
    ]  # fmt: skip

    answers, sizes = await read_together(shop, client, monkeypatch, asked)

    assert [each.status_code for each in answers] == [
        200, 200, 404, 400, 404, 200, 401, 401, 403, 403, 200, 200
    ]  # fmt: skip
    assert (answers[0].content, answers[5].content) == (before, before)
    assert answers[1].json()["id"] == other.removeprefix(f"{PATH}/")
    assert sizes[:2] == [1, len(asked) - 3], "one came first; the first refused are not looked for"


async def test_those_who_expand_the_same_at_once_share_its_statement(
    shop: Shop, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"{PATH}/{(await client.post(PATH, json=BODY)).json()['id']}" for _ in range(3)]
    await client.get(paths[0])
    sizes, describe = [], deposits.describe_many

    async def counted(conn: Connection, wanted: Sequence[str]) -> Any:
        sizes.append(len(wanted))
        return await describe(conn, wanted)

    monkeypatch.setattr(deposits, "describe_many", counted)
    asked = [(shop.secret, f"{path}?expand[]=latest_deposit") for path in paths]
    asked += [(shop.secret, f"{PATH}/undefined"), (shop.secret, paths[1])]

    answers, groups = await read_together(shop, client, monkeypatch, asked)

    assert [each.status_code for each in answers] == [200, 200, 200, 404, 200]
    assert [each.json()["id"] for each in answers[:3]] == [path.removeprefix(f"{PATH}/") for path in paths]
    assert len(sizes) == len(groups), "one for each group, not for each of those who ask"


async def test_read_that_fails_for_many_is_tried_for_each_alone(
    shop: Shop, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{PATH}/{(await client.post(PATH, json=BODY)).json()['id']}"
    await client.get(path)

    answers, sizes = await read_together(shop, client, monkeypatch, [(shop.secret, path)] * 4, fails=True)

    assert {each.status_code for each in answers} == {200}
    assert sizes == [1, 3, 1, 1, 1]


async def test_process_remembers_no_more_keys_than_it_may(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bascule.entrypoints.api.auth.KEYS_MAX", 2)
    for secret in [(await shop.key(shop.merchant)).secret for _ in range(4)]:
        async with shop.client(secret) as its:
            assert (await its.get("/v1/balance")).status_code == 200
    assert len(shop.deps.keys._known) == 2
