"""An artifact edited by hand shows without a compiler.

What this cannot see: an edit of an artifact that also rewrites its line in SHA256SUMS, or a compiler that was
tampered with. Only compiling again sees those (`test_compiling_again_gives_the_same_bytes`, where node is).
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bascule.domain.hashing import keccak
from tests.support.source import ROOT

FOLDER = ROOT / "abi"
ARTIFACTS = sorted(FOLDER.rglob("*.json"))


def edited(folder: Path) -> list[str]:
    """Artifacts that are not the bytes SHA256SUMS says, that it does not name, or that are not there."""
    lines = (folder / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.json")
    }
    return sorted({name for name, _ in listed.items() ^ found.items()})


def of(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def test_each_artifact_has_the_bytes_that_were_compiled() -> None:
    assert edited(FOLDER) == [], "run make contracts"


@pytest.mark.parametrize("key", ["bytecode", "deployedBytecode", "abi", "immutableReferences", "sources"])
def test_artifact_with_one_edited_value_is_noticed(tmp_path: Path, key: str) -> None:
    copy = tmp_path / "abi"
    shutil.copytree(FOLDER, copy)
    data = of(copy / "PayoutVault.json")
    data[key] = data[key][:-2] + "00" if isinstance(data[key], str) else type(data[key])()
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (copy / "PayoutVault.json").write_text(text, encoding="utf-8")

    assert edited(copy) == ["PayoutVault.json"]


def test_artifact_added_or_removed_by_hand_is_noticed(tmp_path: Path) -> None:
    copy = tmp_path / "abi"
    shutil.copytree(FOLDER, copy)
    (copy / "TestDollar.json").rename(copy / "Dollar.json")

    assert edited(copy) == ["Dollar.json", "TestDollar.json"]


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: path.stem)
def test_creation_code_carries_the_deployed_code_and_nothing_is_left_to_link(path: Path) -> None:
    artifact = of(path)
    creation, deployed = (bytes.fromhex(artifact[key][2:]) for key in ("bytecode", "deployedBytecode"))

    assert deployed  # an interface or a library would have none
    assert deployed in creation


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: path.stem)
def test_immutables_lie_inside_the_deployed_code_as_zeros(path: Path) -> None:
    artifact = of(path)
    deployed = bytes.fromhex(artifact["deployedBytecode"][2:])
    end = 0
    for place in artifact["immutableReferences"]:
        start, length = place["start"], place["length"]
        assert end <= start < start + length <= len(deployed)
        assert deployed[start : start + length] == bytes(length)
        assert deployed[start - 1] == 0x60 + length - 1, "only what a PUSH puts on the stack is masked"
        end = start + length


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: path.stem)
def test_each_method_has_its_selector_in_the_code(path: Path) -> None:
    artifact = of(path)
    deployed = bytes.fromhex(artifact["deployedBytecode"][2:])
    for signature, selector in artifact["methodIdentifiers"].items():
        assert keccak(signature.encode())[:4].hex() == selector
        # the optimizer drops a selector's leading zeros
        assert bytes.fromhex(selector).lstrip(b"\0") in deployed, signature


def test_factory_carries_the_forwarder_it_deploys() -> None:
    factory, forwarder = (of(FOLDER / f"{name}.json") for name in ("DepositFactory", "DepositForwarder"))

    assert forwarder["bytecode"][2:] in factory["bytecode"]
