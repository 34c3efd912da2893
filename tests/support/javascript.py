"""Scripts of tests/clients under node, as a JavaScript developer runs them."""

import shutil

import pytest

from tests.support.anvil import CLIENTS, INSTALL, MODULES


def node_command(script: str, *arguments: str) -> list[str]:
    """The command that runs `tests/clients/<script>`. Skips where node or its libraries are missing."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (MODULES / "viem").is_dir():
        pytest.skip(f"viem is not installed: {INSTALL}")
    return [node, str(CLIENTS / script), *arguments]
