"""What we write for programs of others to read: the OpenAPI document, and the URIs that wallets scan."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import npm
from tests.support.api import Shop
from tests.support.source import ROOT

pytestmark = pytest.mark.slow

Installs = Callable[[str], Path]


def test_openapi_document_is_linted_clean(npm_package: Installs, tmp_path: Path) -> None:
    place = npm_package("redocly")
    cli, settings = place / "node_modules" / "@redocly" / "cli" / "bin" / "cli.js", place / "redocly.yaml"
    broken = tmp_path / "broken.json"
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_bytes())
    del document["security"]
    broken.write_text(json.dumps(document), encoding="utf-8")

    def lint(path: Path) -> dict[str, int]:
        words = ("lint", "--config", str(settings), "--format", "json", "--max-problems", "5", str(path))
        told: dict[str, int] = json.loads(npm.run(cli, "", *words))["totals"]
        return told

    assert lint(ROOT / "docs" / "api" / "openapi.json") == {"errors": 0, "warnings": 0, "ignored": 0}
    with pytest.raises(AssertionError):
        lint(broken)


async def test_payment_uris_are_read_by_the_parser_of_wallets(shop: Shop, npm_package: Installs) -> None:
    async with shop.client() as client:
        order = {"amount": "1.05", "currency": "usdc"}
        made = (await client.post("/v1/payment_intents", json=order)).json()
    places = made["next_action"]["display_deposit_details"]["deposit_addresses"]
    wanted = [
        (network.removeprefix("eip155:"), details["address"], token)
        for network, details in places.items()
        for token in details["supported_tokens"]
    ]
    given = json.dumps([token["eip681_uri"] for _, _, token in wanted])

    read = json.loads(npm.run(npm_package("eth-url-parser") / "parse.mjs", given))

    assert len(read) == 2
    assert read == [
        {
            "scheme": "ethereum",
            "target_address": token["contract"],
            "chain_id": chain_id,
            "function_name": "transfer",
            "parameters": {"address": address, "uint256": "1050000"},
        }
        for chain_id, address, token in wanted
    ]
