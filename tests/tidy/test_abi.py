"""The committed artifacts are those of the sources beside them."""

import hashlib
import json
import shutil
import subprocess

import pytest

from tests.support.source import ROOT

SOURCES = sorted((ROOT / "contracts" / "src").rglob("*.sol"))
ARTIFACTS = sorted((ROOT / "abi").rglob("*.json"))


def test_each_artifact_was_made_from_the_sources_on_disk() -> None:
    stale = [
        f"{artifact.relative_to(ROOT)}: {path}"
        for artifact in ARTIFACTS
        for path, digest in json.loads(artifact.read_text(encoding="utf-8"))["sources"].items()
        if not (ROOT / path).is_file() or hashlib.sha256((ROOT / path).read_bytes()).hexdigest() != digest
    ]

    assert stale == [], "run make contracts"


def test_each_deployable_source_has_an_artifact_and_each_artifact_a_source() -> None:
    wanted = {
        path.relative_to(ROOT / "contracts" / "src").with_suffix("")
        for path in SOURCES
        if "\nabstract contract " not in path.read_text(encoding="utf-8")
    }

    assert {path.relative_to(ROOT / "abi").with_suffix("") for path in ARTIFACTS} == wanted
    assert len(wanted) >= 4


def test_all_artifacts_come_from_one_compiler_and_one_setting() -> None:
    keys = ("compiler", "evmVersion", "settingsSha256")
    made = {tuple(json.loads(path.read_text(encoding="utf-8"))[key] for key in keys) for path in ARTIFACTS}

    assert len(made) == 1
    assert next(iter(made))[1] == "cancun"


@pytest.mark.slow
def test_compiling_again_gives_the_same_bytes() -> None:
    node = shutil.which("node")
    if node is None or not (ROOT / "contracts" / "node_modules" / "solc").is_dir():
        pytest.skip("needs node and contracts/node_modules: run make contracts")

    done = subprocess.run(
        [node, "build.mjs", "--check"], cwd=ROOT / "contracts", capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_lock_file_of_the_compiler_names_no_address() -> None:
    assert "://" not in (ROOT / "contracts" / "package-lock.json").read_text(encoding="utf-8")
