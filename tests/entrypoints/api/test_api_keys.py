"""An account looks after its own keys and people; nobody gives away more than they have."""

from typing import Any

import httpx

from bascule.domain.member import ROLES
from bascule.domain.versions import API_VERSION
from bascule.entrypoints.api.app import OPERATIONS
from tests.support.api import Shop
from tests.support.cases import case

KEYS, MEMBERS = "/v1/api_keys", "/v1/members"
APPROVER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


async def made(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post(KEYS, json=body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def told(shop: Shop) -> list[str]:
    async with shop.owner.read() as conn:
        rows = await (await conn.execute("SELECT type FROM outbox ORDER BY id")).fetchall()
    return [row[0] for row in rows if row[0].startswith("api_key.")]


async def test_key_is_shown_once_and_again_only_to_the_same_request(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    body = {"type": "restricted", "name": "shop", "scopes": ["payment_intents:write"]}
    same = {"idempotency-key": "k"}
    first = await client.post(KEYS, json=body, headers=same)
    again = await client.post(KEYS, json=body, headers=same)
    key = first.json()

    assert first.content == again.content
    assert key["secret"].startswith("rk_test_")
    assert "secret" not in (await client.get(f"{KEYS}/{key['id']}")).json()
    async with shop.client(key["secret"]) as its:
        assert (await its.post("/v1/payment_intents", json={"amount": "1.00", "currency": "usdc"})).is_success
        assert code(await its.get(KEYS)) == (403, "scope_missing")
    async with shop.owner.read() as conn:
        [stored] = await (await conn.execute("SELECT body FROM idempotency_keys WHERE key = 'k'")).fetchall()
        [told] = await (
            await conn.execute("SELECT object::text FROM outbox WHERE type = 'api_key.created'")
        ).fetchall()
    letters = key["secret"][-20:]
    assert letters.encode() not in bytes(stored[0])
    assert letters not in told[0]


async def test_rotated_key_works_until_its_overlap_ends_and_its_successor_after(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    old = await made(client, scopes=["balance:read"], allowed_ips=["127.0.0.0/8"], name="books")
    new = (await client.post(f"{KEYS}/{old['id']}/rotate", json={"overlap": 60})).json()

    assert (new["rotated_from"], new["name"]) == (old["id"], "books")
    assert (new["scopes"], new["allowed_ips"]) == (old["scopes"], old["allowed_ips"])
    async with shop.client(old["secret"]) as before, shop.client(new["secret"]) as after:
        assert (await before.get("/v1/balance")).is_success
        shop.clock.advance(61)
        assert code(await before.get("/v1/balance")) == (401, "api_key_expired")
        assert (await after.get("/v1/balance")).is_success
    assert code(await client.post(f"{KEYS}/{old['id']}/rotate")) == (409, "api_key_ended")
    assert await told(shop) == ["api_key.created", "api_key.rotated"]


async def test_revoked_key_ends_at_once_and_revoking_again_changes_nothing(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    key = await made(client, type="secret")
    first = (await client.post(f"{KEYS}/{key['id']}/revoke")).json()
    shop.clock.advance(5)
    again = (await client.post(f"{KEYS}/{key['id']}/revoke")).json()

    async with shop.client(key["secret"]) as its:
        assert code(await its.get("/v1/balance")) == (401, "api_key_revoked")
    assert first == again
    assert first["status"] == "revoked"
    assert await told(shop) == ["api_key.created", "api_key.revoked"]


async def test_key_is_of_use_only_where_it_is_allowed(shop: Shop, client: httpx.AsyncClient) -> None:
    here = await made(client, scopes=["balance:read"], allowed_ips=["10.0.0.0/8", "127.0.0.1"])
    elsewhere = await made(client, scopes=["balance:read"], allowed_ips=["10.0.0.0/8", "2001:db8::/32"])

    async with shop.client(here["secret"]) as its:
        assert (await its.get("/v1/balance")).is_success
    async with shop.client(elsewhere["secret"]) as its:
        refused = await its.get("/v1/balance", headers={"x-forwarded-for": "10.0.0.1"})
    assert code(refused) == (403, "ip_not_allowed")
    assert (await client.get(f"{KEYS}/{elsewhere['id']}")).json()["last_used_at"] is None


async def test_last_use_is_written_at_most_once_a_minute(shop: Shop, client: httpx.AsyncClient) -> None:
    key = await made(client, scopes=["balance:read"])
    begin, seen = int(shop.clock.now().timestamp()), []
    async with shop.client(key["secret"]) as its:
        for seconds in (0, 30, 31):
            shop.clock.advance(seconds)
            await its.get("/v1/balance")
            seen.append((await client.get(f"{KEYS}/{key['id']}")).json()["last_used_at"] - begin)

    assert seen == [0, 0, 61]


async def test_nobody_makes_a_key_that_may_do_more_than_their_own(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    giver = await made(client, scopes=["api_keys:write", "members:write", "payment_intents:read"])
    strong = await made(client, type="secret")
    before = await shop.rows()

    async with shop.client(giver["secret"]) as its:
        for body in (
            {"type": "secret"},
            {"scopes": ["payment_intents:write"]},
            {"scopes": ["payouts:approve"]},
        ):
            with case(str(body)):
                assert code(await its.post(KEYS, json=body)) == (403, "scope_missing")
        assert code(await its.post(f"{KEYS}/{strong['id']}/rotate")) == (403, "scope_missing")
        owner = {"email": "eve@shop.example", "roles": ["owner"]}
        assert code(await its.post(MEMBERS, json=owner)) == (403, "scope_missing")
        assert await shop.rows() == before
        assert (await its.post(KEYS, json={"scopes": ["payment_intents:read"]})).is_success


async def test_nobody_ends_a_key_that_may_do_more_than_their_own(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    """As a developer of the account, whose role looks after keys, and not after its owner."""
    owners = await made(client, type="secret")
    wider = await made(client, scopes=["payouts:approve", "balance:read"])
    person = {"email": "dev@shop.example", "roles": ["developer"]}
    developer = (await client.post(MEMBERS, json=person)).json()
    lesser = await made(client, scopes=["api_keys:write", "balance:read"], member=developer["id"])
    own, front = await made(client, scopes=["balance:read"]), await made(client, type="publishable")

    async with shop.client(lesser["secret"]) as its:
        for key, lacks in ((owners, "*"), (wider, "payouts:approve")):
            refused = await its.post(f"{KEYS}/{key['id']}/revoke")
            assert code(refused) == (403, "scope_missing")
            assert refused.json()["error"]["message"].endswith(f"may not: {lacks}.")
            assert (await client.get(f"{KEYS}/{key['id']}")).json()["status"] == "active"
        for key in (own, front, lesser):
            assert (await its.post(f"{KEYS}/{key['id']}/revoke")).json()["status"] == "revoked"
    assert (await client.post(f"{KEYS}/{owners['id']}/revoke")).json()["status"] == "revoked"


async def test_nobody_ends_a_key_that_may_be_used_where_their_own_may_not(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    bounded = await made(client, type="secret", allowed_ips=["127.0.0.0/8"])
    anywhere = await made(client, scopes=["balance:read"])
    partly = await made(client, scopes=["balance:read"], allowed_ips=["127.0.0.1", "10.0.0.0/8"])
    inside = await made(client, scopes=["balance:read"], allowed_ips=["127.0.0.1"])
    in_an_hour = int(shop.clock.now().timestamp()) + 3600
    for_an_hour = await made(client, type="secret", expires_at=in_an_hour)

    async with shop.client(bounded["secret"]) as its:
        for key in (anywhere, partly):
            refused = await its.post(f"{KEYS}/{key['id']}/revoke")
            assert code(refused) == (403, "scope_missing")
            assert "where" in refused.json()["error"]["message"]
            assert (await client.get(f"{KEYS}/{key['id']}")).json()["status"] == "active"
        for key in (inside, bounded):
            assert (await its.post(f"{KEYS}/{key['id']}/revoke")).json()["status"] == "revoked"
    async with shop.client(for_an_hour["secret"]) as its:
        assert (await its.post(f"{KEYS}/{anywhere['id']}/revoke")).json()["status"] == "revoked"


async def test_who_holds_a_key_holds_every_key_made_with_it(shop: Shop) -> None:
    held = await shop.key(shop.merchant, holder=b"\x07" * 20)
    async with shop.client(held.secret) as its:
        other = (
            await its.post(MEMBERS, json={"email": "a@b.c", "roles": ["owner"], "approver": APPROVER})
        ).json()
        for body in ({"type": "secret"}, {"type": "secret", "member": other["id"]}):
            made_with_it = (await its.post(KEYS, json=body)).json()
            async with shop.owner.read() as conn:
                held_by = "SELECT holder FROM api_keys WHERE id = %s"
                row = await (await conn.execute(held_by, [made_with_it["id"]])).fetchone()
            assert row is not None
            assert bytes(row[0]) == b"\x07" * 20


async def test_key_is_shown_to_no_other_key_that_repeats_the_request(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    lesser = await made(client, scopes=["api_keys:write"])
    same = {"idempotency-key": "keys-of-may"}
    strong = await client.post(KEYS, json={"type": "secret"}, headers=same)
    async with shop.client(lesser["secret"]) as its:
        repeated = await its.post(KEYS, json={"type": "secret"}, headers=same)

    assert strong.is_success
    assert code(repeated) == (400, "idempotency_key_reused")


async def test_key_makes_none_that_works_in_more_places_or_for_longer(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    until = int(shop.clock.now().timestamp()) + 600
    scopes = ["api_keys:write", "balance:read"]
    wide = await made(client, scopes=["balance:read"])
    placed = await made(client, scopes=scopes, allowed_ips=["127.0.0.0/8"])
    timed = await made(client, scopes=scopes, expires_at=until)
    look = {"scopes": ["balance:read"]}
    async with shop.client(placed["secret"]) as its:
        for networks in (["0.0.0.0/0"], ["127.0.0.1", "10.0.0.0/8"], ["::/0"]):
            with case(str(networks)):
                refused = await its.post(KEYS, json=look | {"allowed_ips": networks})
                assert code(refused) == (403, "scope_missing")
        assert code(await its.post(f"{KEYS}/{wide['id']}/rotate")) == (403, "scope_missing")
        assert (await made(its, **look, allowed_ips=["127.0.0.1"]))["allowed_ips"] == ["127.0.0.1/32"]
        assert (await made(its, **look))["allowed_ips"] == ["127.0.0.0/8"]
        assert (await its.post(f"{KEYS}/{placed['id']}/rotate")).is_success
    async with shop.client(timed["secret"]) as its:
        assert code(await its.post(KEYS, json=look | {"expires_at": until + 1})) == (403, "scope_missing")
        assert code(await its.post(f"{KEYS}/{wide['id']}/rotate")) == (403, "scope_missing")
        assert (await made(its, **look))["expires_at"] == until


async def test_keys_that_a_members_key_made_end_with_the_member(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    people = [
        (await client.post(MEMBERS, json={"email": f"{name}@b.c", "roles": ["developer"]})).json()["id"]
        for name in ("ada", "bob")
    ]
    ada, bob = people
    look = {"scopes": ["balance:read"]}
    hers = await made(client, member=ada, scopes=["api_keys:write", "balance:read"])
    his = await made(client, member=bob, **look)
    async with shop.client(hers["secret"]) as its:
        second = await made(its, **look)
        assert code(await its.post(KEYS, json=look | {"member": bob})) == (403, "scope_missing")
        assert code(await its.post(f"{KEYS}/{his['id']}/rotate")) == (403, "scope_missing")
        third = (await its.post(f"{KEYS}/{second['id']}/rotate")).json()
    await client.delete(f"{MEMBERS}/{ada}")
    for key in (second, third):
        assert key["member"] == ada
        async with shop.client(key["secret"]) as its:
            assert code(await its.get("/v1/balance")) == (401, "api_key_revoked")


async def test_members_keys_do_no_more_than_their_roles_and_end_with_them(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    ada = {"email": "Ada@shop.example", "name": "Ada", "roles": ["developer"], "approver": APPROVER}
    member = (await client.post(MEMBERS, json=ada)).json()
    assert code(await client.post(MEMBERS, json=ada | {"email": "ada@SHOP.example"})) == (
        409,
        "member_exists",
    )
    assert code(await client.post(MEMBERS, json=ada | {"roles": ["king"]})) == (400, "parameter_invalid")
    wide = {"member": member["id"], "scopes": ["payouts:write"]}
    assert code(await client.post(KEYS, json=wide)) == (400, "role_insufficient")
    key = await made(client, member=member["id"], scopes=["payment_intents:write"])
    async with shop.client(key["secret"]) as its:
        assert (await its.get("/v1/payment_intents")).is_success
        changed = (
            await client.post(f"{MEMBERS}/{member['id']}", json={"roles": ["support_readonly"]})
        ).json()
        assert code(await its.get("/v1/payment_intents")) == (401, "api_key_revoked")

    assert (changed["roles"], changed["version"]) == (["support_readonly"], 2)
    assert (await client.delete(f"{MEMBERS}/{member['id']}")).json()["deleted"]
    assert code(await client.delete(f"{MEMBERS}/{member['id']}")) == (409, "member_removed")
    assert (await client.get(MEMBERS)).json()["data"] == []
    assert (await client.post(MEMBERS, json=ada)).is_success


async def test_keys_and_members_of_test_and_live_are_apart(shop: Shop, client: httpx.AsyncClient) -> None:
    key = await made(client, scopes=["balance:read"])
    person = {"email": "a@b.c", "roles": ["owner"]}
    member = (await client.post(MEMBERS, json=person)).json()
    async with shop.client(shop.live_secret) as live, shop.client(shop.rival_secret) as rival:
        for other in (live, rival):
            for method, path in (
                ("GET", f"{KEYS}/{key['id']}"), ("POST", f"{KEYS}/{key['id']}/rotate"),
                ("POST", f"{KEYS}/{key['id']}/revoke"), ("GET", f"{MEMBERS}/{member['id']}"),
                ("POST", f"{MEMBERS}/{member['id']}"), ("DELETE", f"{MEMBERS}/{member['id']}"),
            ):  # fmt: skip
                with case(f"{method} {path}"):
                    assert code(await other.request(method, path)) == (404, "resource_missing")
        assert (await live.post(MEMBERS, json=person)).is_success
        assert [k["id"] for k in (await live.get(KEYS)).json()["data"]] != [key["id"]]


async def test_wrong_key_requests_are_refused_by_name(shop: Shop, client: httpx.AsyncClient) -> None:
    before = await shop.rows()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "scopes"),
        ({"scopes": ["payouts:fly"]}, "scopes[0]"),
        ({"type": "publishable", "scopes": ["balance:read"]}, "scopes"),
        ({"scopes": ["balance:read"], "allowed_ips": ["10.0.0.1/8"]}, "allowed_ips[0]"),
        ({"scopes": ["balance:read"], "expires_at": 1}, "expires_at"),
        ({"scopes": ["balance:read"], "livemode": True}, "livemode"),
        ({"scopes": ["balance:read"], "account": shop.rival}, "account"),
    ]
    for body, param in wrong:
        with case(str(body)):
            answer = await client.post(KEYS, json=body)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert await shop.rows() == before


async def test_roles_name_scopes_there_are(client: httpx.AsyncClient) -> None:
    known = {operation.scope for operation in OPERATIONS}
    known |= {scope.replace(":write", ":read") for scope in known} | {"*"}

    assert {scope for scopes in ROLES.values() for scope in scopes} <= known
    assert [role["id"] for role in (await client.get("/v1/roles")).json()["data"]] == list(ROLES)


async def test_account_reads_itself_and_the_operator_reads_all(shop: Shop, client: httpx.AsyncClient) -> None:
    operators = await shop.key(shop.operator)
    async with shop.client(operators.secret) as operator:
        everyone = (await operator.get("/v1/accounts")).json()["data"]
        other = await operator.post(f"/v1/accounts/{shop.merchant}", json={"api_version": API_VERSION})

    assert {account["id"] for account in everyone} == {shop.operator, shop.merchant, shop.rival}
    assert [a["id"] for a in (await client.get("/v1/accounts")).json()["data"]] == [shop.merchant]
    assert code(await client.get(f"/v1/accounts/{shop.rival}")) == (404, "resource_missing")
    assert code(other) == (404, "resource_missing")


async def test_version_is_the_accounts_unless_a_header_names_another_that_is_spoken(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    path = f"/v1/accounts/{shop.merchant}"
    unknown = await client.post(path, json={"api_version": "2020-01-01"})
    pinned = await client.post(path, json={"api_version": API_VERSION})
    header = await client.get(path, headers={"bascule-version": "2020-01-01", "stripe-version": "2020-01-01"})
    tolerated = await client.get(path, headers={"stripe-version": "2020-08-27"})

    assert (code(unknown), code(header)) == ((400, "version_unknown"), (400, "version_unknown"))
    assert API_VERSION in header.json()["error"]["next_step"]
    assert pinned.json()["api_version"] == API_VERSION
    assert tolerated.headers["bascule-version"] == API_VERSION


async def test_audit_log_tells_what_the_accounts_keys_did_page_by_page(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    for name in ("a", "b", "c"):
        await made(client, scopes=["balance:read"], name=name)
    async with shop.client(shop.rival_secret) as rival:
        await made(rival, scopes=["balance:read"])
        assert len((await rival.get("/v1/audit_log")).json()["data"]) == 1

    first = (await client.get("/v1/audit_log", params={"limit": 2, "action": "api.create_api_key"})).json()
    rest = (await client.get("/v1/audit_log", params={"starting_after": first["data"][-1]["id"]})).json()

    assert (len(first["data"]), first["has_more"], len(rest["data"]), rest["has_more"]) == (2, True, 1, False)
    assert first["data"][0]["target"].startswith("key_")
    assert code(await client.get("/v1/audit_log?starting_after=aud_x")) == (404, "resource_missing")
