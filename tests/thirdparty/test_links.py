"""Every link of the OpenAPI document, followed by a program that knows of us only this document.

schemathesis reads the links, takes the ids out of our answers, makes up the requests that they lead to and
judges what comes back. Its own walk (test_schemathesis.py) goes by chance: a thousand steps of it met 57 of
182 links.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from zlib import crc32

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.generation.stateful.state_machine import StepOutput
from schemathesis.specs.openapi import checks
from schemathesis.specs.openapi.stateful import collect_transitions
from schemathesis.specs.openapi.stateful.links import OpenApiLink

from bascule.chain.dev_node import DevNode
from bascule.chain.rpc import Rpc
from bascule.entrypoints.api import create_app
from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.api.openapi import document
from bascule.entrypoints.dev.purse import WellKnownPurse
from bascule.services.sandbox import Sandbox
from tests.entrypoints.api.test_breaks import opened
from tests.support.api import LOCAL, Shop
from tests.support.cases import case
from tests.support.chain import local_node
from tests.support.owned import MONEY, NET, Owner, owners
from tests.support.sandbox import served

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
    checks.response_schema_conformance,
]  # fmt: skip
MADE_UP = {GenerationMode.POSITIVE: 3, GenerationMode.NEGATIVE: 2}  # so many requests along each link
OPERATORS = ("accounts", "breaks", "reconciliation", "screenings")  # whose lists are the operator's to read
PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
LOOKS = "POST /v1/payout_batches"  # its example is a dry run, whose id names nothing
NOT_YET = ("/evidence", "/public", "/travel_rule")  # none before somebody pays, shows or says it
CHANGES = {  # that the right request makes of what was made just before, and no other link spoils
    "update_payment_intent", "cancel_payment_intent", "extend_payment_intent",
    "record_payment_intent_travel_rule", "expire_checkout_session", "update_invoice", "finalize_invoice",
    "void_invoice", "reject_payout", "record_payout_travel_rule", "revoke_mandate", "cancel_refund",
    "record_refund_travel_rule", "archive_destination", "cancel_settlement", "update_webhook_endpoint",
    "delete_webhook_endpoint", "rotate_webhook_secret", "ping_webhook_endpoint", "replay_webhook_events",
    "rotate_api_key", "revoke_api_key", "update_member", "remove_member", "sandbox_clear_fault",
}  # fmt: skip
ONCE = {"create_settlement"}  # settles all there is, so it is made once for all its links
LISTED = """
INSERT INTO screening_lists (id, name, version, digest, entries, added, removed, imported_by, created_at)
VALUES ('ofac.1', 'ofac', 1, decode(repeat('01', 32), 'hex'), 1, 1, 0, 'cli', now())
"""
HELD = """
INSERT INTO screenings
       (id, account_id, livemode, payout_id, address, list, version, reference, state, created_at)
SELECT 'scr_' || substr(id, 4), account_id, livemode, id, destination, 'ofac', 1, 'a case', 'open',
       created_at
  FROM payouts WHERE account_id = %s
"""


async def test_no_answer_along_any_link_of_the_document_is_a_fault_or_undocumented(shop: Shop) -> None:
    mine, _ = await owners(shop)
    operator = (await shop.key(shop.operator)).secret
    bodies = await right_bodies(shop, mine)
    await opened(shop, "seal_break", "seal 7")
    await shop.run(LISTED)
    await shop.run(HELD, mine.account)
    await shop.run("UPDATE api_keys SET revoked_at = now() WHERE livemode")  # beside one there is no sandbox
    async with local_node() as node, aiohttp.ClientSession() as session:
        control = DevNode(Rpc(node.url, session=session, guard=shop.api.refuse_open_transaction))
        shop.deps = replace(shop.deps, sandbox=Sandbox(shop.api, {LOCAL: control}, WellKnownPurse()))
        async with served(create_app(shop.deps)) as url:
            schema = schemathesis.openapi.from_dict(document(OPERATIONS, url))
            schema.config.update(base_url=url)
            links = links_of(schema)
            asker = Asker(mine.secret, operator, bodies, mine.more)
            answers = await asyncio.to_thread(asker.follow, links)
    for secret in (mine.secret, operator):
        async with shop.client(secret) as client:
            assert (await client.get("/v1/balance")).status_code == 200, "the key was good to the end"

    assert len(links) == in_document() >= 182
    assert {name for name, _ in answers} == {link.full_name for link in links}
    done = {name for name, status in answers if status == 200}
    print(f"{len(answers)} answers along {len(links)} links; 200 along {len(done)}")
    # each link's first request is the right one, which hangs on no chance
    first = dict(reversed(answers))
    unread = {name: status for name, status in first.items() if reads(name) and status != 200}
    assert unread == {}
    assert sum(map(reads, first)) >= 50
    changed = {
        link.target.definition.raw["operationId"]
        for link in links
        if link.source.method == "post" and first[link.full_name] == 200
    }
    assert CHANGES - changed == set()


def reads(name: str) -> bool:
    """Whether a link leads to something that is there to be read as soon as its id is known."""
    source, _, target = name.split(" -> ")
    return target.startswith("GET ") and source != LOOKS and not target.endswith(NOT_YET)


def in_document() -> int:
    """How many links the document has."""
    paths = document(OPERATIONS, "http://bridge.test")["paths"].values()
    return sum(len(each["responses"]["200"].get("links", {})) for path in paths for each in path.values())


def links_of(schema: Any) -> list[OpenApiLink]:
    """The links as schemathesis reads them, in the document's order."""
    found = collect_transitions([each.ok() for each in schema.get_all_operations()]).operations
    return [link for source in found.values() for link in source.outgoing]


async def right_bodies(shop: Shop, mine: Owner) -> dict[str, Iterator[Mapping[str, Any]]]:
    """Bodies that are right here, where the document's example is not, or not twice, by operationId."""
    async with shop.client(mine.secret) as client:
        intent = (
            await client.post("/v1/payment_intents", json={"amount": "1.00", "currency": "usdc"})
        ).json()
        [waiting] = (await client.get("/v1/settlements")).json()["data"]
        await client.post(f"/v1/settlements/{waiting['id']}/cancel")
    await shop.run("UPDATE balance_settings SET destination_from = now() - interval '1 day'")
    deposit = await shop.arrive(intent, 1_000_000, account=mine.account)
    await shop.run(
        "UPDATE deposits SET state = 'finalized', finalized_at = created_at WHERE id = %s", deposit
    )
    refund = {"payment_intent": intent["id"], "amount": "0.01"}
    ends = int(shop.clock.now().timestamp()) + 86_400
    mandate = MONEY | {"to": PAYEE, "max_per_item": "1.00", "max_per_day": "1.00", "expires_at": ends}
    del mandate["amount"]
    return {
        "create_refund": (refund for _ in count()),
        "create_mandate": (mandate for _ in count()),
        "create_destination": ({"label": "b", "network": NET, "address": f"0x{n:040}"} for n in count(1)),
        "create_member": ({"email": f"a{n}@shop.example", "roles": ["developer"]} for n in count()),
        "create_api_key": ({"scopes": ["balance:read"]} for _ in count()),
    }


@dataclass(frozen=True)
class Asker:
    """Who asks. bodies: that are right, by operationId; known: ids by collection, of what no list tells."""

    merchant: str
    operator: str
    bodies: Mapping[str, Iterator[Mapping[str, Any]]]
    known: Mapping[str, str]

    def follow(self, links: list[OpenApiLink]) -> list[tuple[str, int]]:
        """The link and the status of each answer; every one of them was held against the document."""
        answers = []
        for link in links:
            with case(link.full_name):
                of = self.operator if link.source.path.split("/")[2] in OPERATORS else self.merchant
                key = {"authorization": f"Bearer {of}"}
                begun = self.begun(link, key)
                for asked in (self.right(link, begun), *made_up(link, begun)):
                    answer = asked.call(headers=key)
                    asked.validate_response(answer, checks=CHECKS)
                    answers.append((link.full_name, answer.status_code))
        return answers

    def begun(self, link: OpenApiLink, key: dict[str, str]) -> StepOutput:
        """A right request to the operation that the link leads on from, and our answer."""
        source = link.source
        of: dict[str, Any] = {}
        if "{id}" in source.path:
            of["path_parameters"] = {"id": self._id(source, key)}
        if source.method == "post":
            raw = source.definition.raw
            name = raw["operationId"]
            example = raw["requestBody"]["content"]["application/json"]["example"]
            of |= {"body": next(self.bodies[name]) if name in self.bodies else example}
            of |= {"media_type": "application/json"}
            again = name if name in ONCE else link.full_name
            of["headers"] = {"idempotency-key": f"first-{crc32(again.encode())}"}
        asked = source.Case(**of)
        answer = asked.call(headers=key)
        assert answer.status_code == 200, answer.text
        return StepOutput(answer, asked)

    def right(self, link: OpenApiLink, begun: StepOutput) -> Any:
        """What the link leads to, asked for with the id that it takes from the answer as it is meant."""
        target = link.target
        of: dict[str, Any] = {"path_parameters": taken_of(link, begun)["path_parameters"]}
        if target.method == "post":
            of["headers"] = {"idempotency-key": f"right-{crc32(link.full_name.encode())}"}
        raw = target.definition.raw
        if "requestBody" in raw:
            name, content = raw["operationId"], raw["requestBody"]["content"]["application/json"]
            of |= {"body": next(self.bodies[name]) if name in self.bodies else content.get("example", {})}
            of |= {"media_type": "application/json"}
        return target.Case(**of)

    def _id(self, source: Any, key: dict[str, str]) -> str:
        collection = source.path.partition("/{id}")[0]
        if collection in self.known:
            return self.known[collection]
        listed = source.schema[collection]["GET"].Case().call(headers=key).json()
        return str(listed["data"][0]["id"])


def made_up(link: OpenApiLink, begun: StepOutput) -> list[Any]:
    """Requests along the link with the id that it takes from the answer, by chance but the link's own."""
    found: list[Any] = []
    taken = taken_of(link, begun)
    for mode, wanted in MADE_UP.items():
        if mode == GenerationMode.NEGATIVE and not negatable(link.target):
            continue

        @seed(crc32(link.full_name.encode()))
        @settings(
            max_examples=wanted, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(link.target.as_strategy(generation_mode=mode, **taken))
        def take(made: Any) -> None:
            found.append(made)

        take()
    return found


def taken_of(link: OpenApiLink, begun: StepOutput) -> dict[str, dict[str, Any]]:
    """What the link takes from the answer: parts of a path, each by its name."""
    taken = {
        place: {name: each.value.ok() for name, each in names.items()}
        for place, names in link.extract(begun).parameters.items()
    }
    assert taken.keys() == {"path_parameters"}
    return taken


def negatable(target: Any) -> bool:
    """Whether the operation takes anything that could be wrong."""
    return bool(target.body or target.query)
