"""Terraform modules are formatted and keep their own tests; neither needs a provider or a network."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.source import ROOT

TERRAFORM = ROOT / "terraform"
MODULES = sorted(path.parent for path in TERRAFORM.glob("modules/*/main.tf"))

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")


def run(*command: str, folder: Path, home: Path) -> None:
    """Runs terraform without the user's own settings, so that it sees what any machine would."""
    settings = home / "settings.tfrc"
    settings.touch()
    quiet = {"TF_CLI_CONFIG_FILE": str(settings), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(
        ["terraform", *command], cwd=folder, capture_output=True, text=True, check=False,
        env=dict(os.environ) | quiet,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_terraform_files_are_formatted(tmp_path: Path) -> None:
    run("fmt", "-check", "-recursive", folder=TERRAFORM, home=tmp_path)


def test_there_is_a_module_to_test() -> None:
    assert MODULES != []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_module_is_valid_and_passes_its_own_tests(module: Path, tmp_path: Path) -> None:
    """In a copy, as terraform leaves a folder of its own beside what it runs."""
    assert list(module.glob("tests/*.tftest.hcl")), f"{module.name} has no tests"
    copy = tmp_path / module.name
    shutil.copytree(module, copy, ignore=shutil.ignore_patterns(".terraform*"))

    run("init", "-backend=false", "-input=false", "-no-color", folder=copy, home=tmp_path)
    run("validate", "-no-color", folder=copy, home=tmp_path)
    run("test", "-no-color", folder=copy, home=tmp_path)
