"""Where the contracts keep what, as committed: in step with the sources, and true of a chain."""

import hashlib
import json
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from bascule.domain.hashing import keccak
from tests.support.contracts import Chain, Contract
from tests.support.source import ROOT
from tests.support.vault import LANE, LIMIT, WINDOW, Stage, item, payee, stage_on, word_of

LAYOUT = json.loads((ROOT / "contracts" / "layout.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def stage(chain: Chain) -> Stage:
    return stage_on(chain)


def test_layout_was_made_from_the_sources_on_disk() -> None:
    assert set(LAYOUT) == {path.stem for path in (ROOT / "contracts" / "src").glob("*.sol")}
    for name, layout in LAYOUT.items():
        for path, digest in layout["sources"].items():
            assert hashlib.sha256((ROOT / path).read_bytes()).hexdigest() == digest, f"{name}: make contracts"


def kept(contract: Contract, slot: int, entry: dict[str, Any]) -> bytes:
    """The bytes of one entry of the layout, in the slot it stands in."""
    text = contract.chain.tester.get_storage_at(to_checksum_address(contract.address), hex(slot))
    word = bytes.fromhex(text[2:]).rjust(32, b"\0")
    end = 32 - entry["offset"]
    return word[end - entry["bytes"] : end]


def variable(contract: str, name: str) -> dict[str, Any]:
    return next(one for one in LAYOUT[contract]["variables"] if one["name"] == name)


def in_mapping(key_type: str, key: object, mapping: dict[str, Any]) -> int:
    return int.from_bytes(keccak(encode([key_type, "uint256"], [key, mapping["slot"]])), "big")


def test_roles_stand_where_the_layout_says(stage: Stage) -> None:
    for name, account in (
        ("_owner", stage.owner), ("guardian", stage.guardian), ("canceller", stage.canceller),
    ):  # fmt: skip
        entry = variable("PayoutVault", name)
        assert kept(stage.vault, entry["slot"], entry) == account


def test_lane_limit_and_used_bits_stand_where_the_layout_says(stage: Stage) -> None:
    stage.pay([item(3, 5, payee(0))])
    lane = in_mapping("uint32", LANE, variable("PayoutVault", "_lanes"))
    limit = in_mapping("address", stage.token.address, variable("PayoutVault", "_limits"))
    used = in_mapping("uint256", word_of(LANE), variable("PayoutVault", "_used"))
    structs = LAYOUT["PayoutVault"]["structs"]

    found = {
        entry["name"]: kept(stage.vault, slot + entry["slot"], entry)
        for slot, struct in ((lane, "Lane"), (limit, "Limit"))
        for entry in structs[f"struct PayoutVault.{struct}"]
        if entry["bytes"] <= 32
    }
    newest = found.pop("newest")
    assert found == {
        "operator": stage.operator, "retired": b"\0", "head": stage.vault.read("head", LANE),
        "amount": LIMIT.to_bytes(12, "big"), "spent": (5).to_bytes(12, "big"),
        "window": WINDOW.to_bytes(4, "big"),
    }  # fmt: skip
    assert int.from_bytes(newest, "big") == stage.chain.now // (WINDOW // 8)
    assert kept(stage.vault, used, {"offset": 0, "bytes": 32}) == (1 << 3).to_bytes(32, "big")


def test_collector_and_its_successor_stand_where_the_layout_says(chain: Chain) -> None:
    owner, collector, successor = chain.accounts[0], payee(1), payee(2)
    factory = chain.deploy("DepositFactory", owner, 60)
    factory.send("setCollector", collector, by=owner)
    factory.send("setCollector", successor, by=owner)

    found = {
        name: kept(factory, entry["slot"], entry)
        for name in ("_owner", "collector", "pendingCollector", "pendingFrom")
        for entry in [variable("DepositFactory", name)]
    }
    assert found == {
        "_owner": owner, "collector": collector, "pendingCollector": successor,
        "pendingFrom": (chain.now + 60).to_bytes(6, "big"),
    }  # fmt: skip
