"""An owner is touched by who may do everything, and the last one stays."""

import asyncio
from typing import Any

import httpx

from tests.support.api import Shop

MEMBERS = "/v1/members"


async def added(client: httpx.AsyncClient, name: str, *roles: str) -> str:
    answer = await client.post(MEMBERS, json={"email": f"{name}@shop.example", "roles": list(roles)})
    return str(answer.json()["id"])


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_who_may_do_less_than_an_owner_changes_and_removes_none(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    ada, bob = await added(client, "ada", "owner"), await added(client, "bob", "owner", "finance")
    carol = await added(client, "carol", "support_readonly")
    scopes = ["members:write", "payment_intents:read", "payouts:write"]
    key = (await client.post("/v1/api_keys", json={"scopes": scopes})).json()
    lesser: dict[str, Any] = {"headers": {"authorization": f"Bearer {key['secret']}"}}
    before = (await client.get(MEMBERS)).json()

    refused = [
        await client.post(f"{MEMBERS}/{bob}", json={"roles": ["support_readonly"]}, **lesser),
        await client.post(f"{MEMBERS}/{bob}", json={"name": "Eve"}, **lesser),
        await client.delete(f"{MEMBERS}/{ada}", **lesser),
        await client.delete(f"{MEMBERS}/{carol}", **lesser),  # who reads more than the key does
    ]

    assert [code(answer) for answer in refused] == [(403, "scope_missing")] * 4
    assert (await client.get(MEMBERS)).json() == before


async def test_last_owner_stays_one_even_when_two_demote_each_other_at_once(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    ada, bob = await added(client, "ada", "owner"), await added(client, "bob", "owner")
    both = await asyncio.gather(
        *(client.post(f"{MEMBERS}/{id}", json={"roles": ["finance"]}) for id in (ada, bob))
    )
    [kept] = [member for member in (await client.get(MEMBERS)).json()["data"] if "owner" in member["roles"]]
    removed = await client.delete(f"{MEMBERS}/{kept['id']}")
    other = next(iter({ada, bob} - {kept["id"]}))

    assert sorted(answer.status_code for answer in both) == [200, 409]
    assert code(removed) == (409, "last_owner")
    renamed = await client.post(f"{MEMBERS}/{kept['id']}", json={"name": "Ada", "roles": ["owner"]})
    assert renamed.status_code == 200
    assert (await client.delete(f"{MEMBERS}/{other}")).json()["deleted"]
