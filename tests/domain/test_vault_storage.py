"""Where the vault keeps its words is what the contract's committed layout says."""

import json

from bascule.domain import vault_storage
from bascule.domain.hashing import keccak
from tests.support.source import ROOT

LAYOUT = json.loads((ROOT / "contracts" / "layout.json").read_text(encoding="utf-8"))["PayoutVault"]


def entry(name: str) -> int:
    return int(next(one["slot"] for one in LAYOUT["variables"] if one["name"] == name))


def test_lanes_and_used_bits_stand_where_the_layout_says() -> None:
    assert vault_storage.lane_slot(3) == int.from_bytes(
        keccak((3).to_bytes(32, "big") + entry("_lanes").to_bytes(32, "big")), "big"
    )
    word = 7 << 216 | 5
    assert vault_storage.used_slot(word << 8 | 200) == int.from_bytes(
        keccak(word.to_bytes(32, "big") + entry("_used").to_bytes(32, "big")), "big"
    )


def test_a_word_is_read_bit_by_bit() -> None:
    assert [vault_storage.is_used(1 << 200, 5 << 8 | bit) for bit in (199, 200, 201)] == [False, True, False]
    [retired] = [
        one for one in LAYOUT["structs"]["struct PayoutVault.Lane"] if one["name"] == "retired"
    ]  # fmt: skip
    assert retired["slot"] == 0
    assert vault_storage.is_retired(1 << 8 * retired["offset"])
    assert not vault_storage.is_retired((1 << 160) - 1)
