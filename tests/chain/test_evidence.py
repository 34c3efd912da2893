"""Evidence proves what it claims, no letter of it can be changed, and no file brings its check down."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.chain import deposit_evidence, trie
from bascule.chain.evidence_check import LARGEST, Malformed, check
from bascule.chain.families import AVALANCHE, ETHEREUM
from bascule.chain.header_hash import HeaderJson, header_hash, spelled
from bascule.chain.receipts_root import LogJson, ReceiptJson, encoded
from bascule.domain.chain import Address, checksum
from bascule.entrypoints.cli.app import run

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
RECORDED = json.loads((Path(__file__).parent / "recorded" / "ethereum_24630100.json").read_text())
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def transfer(number: int) -> LogJson:
    topics = [TRANSFER, "0x" + bytes(12).hex() + "a1" * 20, "0x" + bytes(12).hex() + "b2" * 20]
    return LogJson("0x" + "c3" * 20, topics, f"0x{10**6 + number:064x}")


def receipt(index: int) -> ReceiptJson:
    logs = [LogJson("0x" + "dd" * 20, ["0x" + "22" * 32], "0x"), transfer(2 * index), transfer(2 * index + 1)]
    return ReceiptJson(
        transactionHash=f"0x{0xABCDEF + index:064x}", transactionIndex=hex(index), logs=logs, status="0x1",
        cumulativeGasUsed=hex(21_000 * (index + 1)), logsBloom="0x" + "1a" * 256, type="0x2",
    )  # fmt: skip


def made(log_index: int = 4, receipts: int = 20) -> dict[str, Any]:
    """Evidence of one log of a block that is like a recorded one, but holds these receipts."""
    whole = [receipt(index) for index in range(receipts)]
    root = "0x" + trie.root([encoded(ETHEREUM, each) for each in whole]).hex()
    header = msgspec.convert(RECORDED | {"receiptsRoot": root}, HeaderJson)
    [proof] = deposit_evidence.proofs(ETHEREUM, spelled(ETHEREUM, header), whole, [log_index])
    at, place = divmod(log_index, 3)
    claims = {
        "network": "eip155:1",
        "token": checksum(Address(bytes.fromhex("c3" * 20))),
        "from": checksum(Address(bytes.fromhex("a1" * 20))),
        "to": checksum(Address(bytes.fromhex("b2" * 20))),
        "amount_atomic": str(10**6 + 2 * at + place - 1),
        "tx_hash": whole[at].transactionHash,
        "log_index": log_index,
        "block_number": int(header.number, 16),
        "block_hash": "0x" + header_hash(ETHEREUM, header).hex(),
        "block_time": int(header.timestamp, 16),
    }
    return sealed(
        {
            "object": "deposit_evidence", "version": 1, "deposit": "dep_1", "claims": claims,
            "verified": "receipts", "proof": msgspec.to_builtins(proof), "agreement": None,
            "finality": "finalized", "nodes": ["node.example"], "proven_at": 1_800_000_000,
            "not_proven": list(deposit_evidence.BEYOND_THE_PROOF),
        }
    )  # fmt: skip


def sealed(members: dict[str, Any]) -> dict[str, Any]:
    """With the checksum that a forger would write too."""
    return members | {"checksum": deposit_evidence.checksum(members)}


def refused(members: Any) -> bool:
    return refused_bytes(json.dumps(members).encode())


def refused_bytes(raw: bytes) -> bool:
    try:
        return not all(each.ok for each in check(raw))
    except Malformed as error:
        return str(error).isascii()


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from leaves(value[key], (*path, key))
    else:
        yield path


def bent(members: dict[str, Any], path: tuple[Any, ...], change: Any) -> dict[str, Any]:
    """The same with one leaf changed, and a checksum that fits again."""
    changed = copy.deepcopy(members)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = change(inner[path[-1]])
    return sealed(changed)


WHOLE = made()
# All but the network, which neither header nor receipt holds (`not_proven` says so).
PROVEN = [
    path for path in leaves(WHOLE) if path[0] in ("claims", "proof") and path != ("claims", "network")
]  # fmt: skip


@pytest.mark.parametrize("log_index", [1, 2, 4, 58, 59])
def test_true_evidence_passes_every_check(log_index: int) -> None:
    found = check(json.dumps(made(log_index)).encode())

    assert [(each.name, each.ok) for each in found] == [
        (name, True) for name in ("checksum", "proof", "header", "receipt", "transfer", "place")
    ]


def test_a_block_of_one_receipt_is_proven_by_a_branch_of_one_node() -> None:
    assert len(made(1, receipts=1)["proof"]["branch"]) == 1
    assert not refused(made(1, receipts=1))


@pytest.mark.parametrize("path", PROVEN, ids=lambda path: ".".join(map(str, path)))
def test_nothing_that_is_proven_can_be_changed_even_by_who_mends_the_checksum(path: tuple[Any, ...]) -> None:
    def change(value: Any) -> Any:
        return value + 1 if isinstance(value, int) else value[:-1] + ("1" if value[-1] != "1" else "2")

    assert refused(bent(WHOLE, path, change))


@given(st.sampled_from(PROVEN), st.data())
@settings(max_examples=300, deadline=None)
def test_no_letter_of_what_is_proven_can_be_replaced_added_or_left_out(
    path: tuple[Any, ...], data: st.DataObject
) -> None:
    def change(value: Any) -> Any:
        if isinstance(value, int):
            return data.draw(st.integers(-1, 2**64).filter(lambda other: other != value))
        place = data.draw(st.integers(0, len(value) - 1))
        other = data.draw(
            st.sampled_from(["", value[place] * 2, value[place].swapcase(), *"0189afAFx-_ \u0663"])
        )
        changed = value[:place] + other + value[place + 1 :]
        return changed if changed != value else value + "0"

    assert refused(bent(WHOLE, path, change))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_byte_of_the_file_can_be_changed(data: st.DataObject) -> None:
    raw = bytearray(json.dumps(WHOLE, separators=(",", ":")).encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))

    assert refused_bytes(bytes(raw))


@pytest.mark.parametrize(
    ("path", "member"),
    [
        (("proof", "header"), "blockAccessListHash"),
        (("proof", "header"), "hash"),
        (("proof", "header"), "extDataHash"),
        (("proof", "receipt"), "root"),
        (("proof", "receipt"), "gasUsed"),
        (("proof", "receipt", "logs", 0), "removed"),
        (("proof",), "comment"),
        (("claims",), "comment"),
        ((), "comment"),
    ],
)
def test_a_member_that_nothing_covers_is_refused(path: tuple[Any, ...], member: str) -> None:
    changed = copy.deepcopy(WHOLE)
    inner = changed
    for key in path:
        inner = inner[key]
    inner[member] = "0x" + "11" * 32

    assert refused(sealed(changed))


def test_a_root_that_speaks_of_other_blocks_proves_nothing() -> None:
    header = msgspec.convert(RECORDED, HeaderJson)
    header.extDataHash, header.settledHeight = "0x" + "00" * 32, "0x1"
    header.receiptsRoot = WHOLE["proof"]["header"]["receiptsRoot"]
    claims = WHOLE["claims"] | {
        "network": "eip155:43114",
        "block_hash": "0x" + header_hash(AVALANCHE, header).hex(),
    }
    proof = WHOLE["proof"] | {"family": "avalanche", "header": spelled(AVALANCHE, header)}

    found = {
        each.name: each
        for each in check(json.dumps(sealed({**WHOLE, "claims": claims, "proof": proof})).encode())
    }

    assert "other blocks" in found["header"].says
    assert [name for name, each in found.items() if not each.ok] == ["header"]


def test_the_word_of_nodes_is_no_proof() -> None:
    agreed = {**WHOLE, "verified": "quorum", "proof": None, "agreement": "0x" + "11" * 32}

    assert [(each.name, each.ok) for each in check(json.dumps(sealed(agreed)).encode())] == [
        ("checksum", True), ("proof", False),
    ]  # fmt: skip


HOSTILE = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "no evidence": b"{}",
    "cut off": json.dumps(WHOLE).encode()[:-1],
    "no text": b"\xff\xfe\x00",
    "nested lists": b"[" * 200_000,
    "nested objects": b'{"a":' * 200_000,
    "nested within": json.dumps(WHOLE)
    .replace('"logs": [', '"logs": [' + "[" * 900 + "]" * 900 + ",")
    .encode(),
    "not a number": json.dumps(WHOLE | {"version": float("nan")}).encode(),
    "a number of many digits": b'{"version": ' + b"9" * 100_000 + b"}",
    "twice the same member": json.dumps(WHOLE).replace('"version": 1', '"version": 1, "version": 1').encode(),
    "another version": json.dumps(WHOLE | {"version": 2}).encode(),
    "half a character": json.dumps(WHOLE | {"\ud800": 1}).encode(),
    "half a character inside": json.dumps({**WHOLE, "finality": "\ud800"}).encode(),
    "a long branch": json.dumps({**WHOLE, "proof": WHOLE["proof"] | {"branch": ["0x00"] * 17}}).encode(),
    "a negative index": json.dumps({**WHOLE, "proof": WHOLE["proof"] | {"receipt_index": -1}}).encode(),
    "gigantic": b" " * (LARGEST + 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_evidence_ends_with_2_and_two_lines(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "evidence.json"
    file.write_bytes(HOSTILE[name])

    code = run(["verify-evidence", str(file)])

    said = capsys.readouterr()
    assert (code, said.out) == ((1, said.out) if name.endswith("inside") else (2, ""))
    assert "Traceback" not in said.err
    assert len(said.err.splitlines()) == (0 if code == 1 else 2)


@given(st.sampled_from(list(leaves(WHOLE))), JUNK)
@settings(max_examples=200, deadline=None)
def test_junk_in_any_place_never_ends_in_another_error(path: tuple[Any, ...], junk: Any) -> None:
    refused(bent(WHOLE, path, lambda _: junk))  # or not: its place may be free, as a node's name is


def test_the_command_says_each_check_and_ends_with_what_they_amount_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "evidence.json"
    file.write_text(json.dumps(WHOLE))
    assert run(["verify-evidence", str(file)]) == 0
    assert capsys.readouterr().out.count(" ok ") == 6

    file.write_text(json.dumps(bent(WHOLE, ("claims", "amount_atomic"), lambda _: "1000009")))
    assert run(["verify-evidence", str(file), "--json"]) == 1
    failed = [
        line for line in map(json.loads, capsys.readouterr().out.splitlines()) if line["state"] == "failed"
    ]
    assert failed == [{"check": "transfer", "state": "failed", "says": "amount_atomic is 1000002 in the log"}]


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_what_cannot_be_read_ends_with_2(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify-evidence", str(tmp_path / name)]) == 2
    assert "cannot be checked" in capsys.readouterr().err
