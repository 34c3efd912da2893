"""What the pages of docs/testing say of the chain is so."""

import json
import re
from typing import Any

import httpx
from eth_account import Account

from bascule.entrypoints.testing.bridge import Bridge
from bascule.entrypoints.testing.chain import Chain
from tests.support.source import ROOT

TESTING = ROOT / "docs" / "testing"
FIELD = re.compile(r"^\| (.+?) \| (.+?) \|$", re.MULTILINE)


def fields_of(page: str) -> dict[str, list[str]]:
    """The values of a page's tables, by their first column; what stands in backticks, else the text."""
    found = FIELD.findall((TESTING / page).read_text(encoding="utf-8"))
    return {name: re.findall(r"`([^`]+)`", value) or [value] for name, value in found}


def test_browser_wallet_page_names_the_true_network_account_and_token(chain: Chain) -> None:
    said = fields_of("browser-wallet.md")

    assert said["Chain ID"] == [str(chain.chain_id)]
    [key], [address], [token] = said["Private key"], said["its address"], said["Token contract"]
    assert Account.from_key(key).address == address == chain.accounts[0].address
    assert token == chain.usdc
    assert said["Symbol, decimals"] == ["USDC", "6"]
    assert chain.balance(address) == 1_000_000
    assert chain.balance(address, "eth") > 1


def test_network_a_page_adds_by_code_is_the_same(chain: Chain) -> None:
    text = (TESTING / "browser-wallet.md").read_text(encoding="utf-8")
    [params] = re.findall(r"params: (\[.*?\]) \}\);", text, re.DOTALL)
    [network] = json.loads(params)

    assert network["chainId"] == chain.rpc("eth_chainId")
    assert network["rpcUrls"] == fields_of("browser-wallet.md")["RPC URL"]
    assert network["nativeCurrency"]["decimals"] == 18


def test_wallet_in_a_page_may_call_the_node_and_finds_what_it_needs(chain: Chain) -> None:
    """What wallets ask before they send, from a page of another origin."""
    origin = {"Origin": "https://wallet.example"}
    preflight = httpx.options(
        chain.url,
        headers=origin
        | {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
            "Access-Control-Request-Private-Network": "true",
        },
    )
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
    assert preflight.headers["access-control-allow-private-network"] == "true"
    asked: list[tuple[str, list[Any]]] = [
        ("eth_chainId", []),
        ("net_version", []),
        ("eth_blockNumber", []),
        ("eth_getBlockByNumber", ["latest", False]),
        ("eth_getBalance", [chain.accounts[0].address, "latest"]),
        ("eth_getTransactionCount", [chain.accounts[0].address, "pending"]),
        ("eth_getCode", [chain.usdc, "latest"]),
        ("eth_gasPrice", []),
        ("eth_feeHistory", ["0x4", "latest", [10, 50]]),
        ("eth_estimateGas", [{"from": chain.accounts[0].address, "to": chain.accounts[1].address}]),
    ]
    body = [{"jsonrpc": "2.0", "id": n, "method": m, "params": p} for n, (m, p) in enumerate(asked)]
    answers = httpx.post(chain.url, json=body, headers=origin)

    assert answers.headers["access-control-allow-origin"] == "*"
    assert [answer for answer in answers.json() if "result" not in answer] == []


def test_readme_shows_a_test_that_passes(bridge: Bridge) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [example] = re.findall(r"## In your own tests\n.*?```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}

    exec(example, names)
    names["test_paid_order_is_seen"](bridge)
