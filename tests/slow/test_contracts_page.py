"""The operator's page on contracts is followed as it stands, on our local chain and on anvil."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.anvil import anvil
from tests.support.site import nodes
from tests.support.source import ROOT

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "operating" / "contracts.md"
FILE = re.compile(r"<!-- file: bascule.toml -->\n```toml\n(.*?)```", re.DOTALL)
RUN = re.compile(r"<!-- run -->\n```bash\n(.*?)```", re.DOTALL)


@pytest.fixture(params=["ours", "anvil"])
def node(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "anvil":
        with anvil() as url:
            yield url
    else:
        with nodes() as running:
            yield running.chain(31_337)


def test_commands_of_the_page_run_as_they_stand(node: str, tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    [file], blocks = FILE.findall(page), RUN.findall(page)
    assert len(blocks) == 2
    (tmp_path / "bascule.toml").write_text(file, encoding="utf-8")
    environ = {name: text for name, text in os.environ.items() if not name.startswith("BASCULE_")}
    environ |= {"NODE": node, "PATH": f"{Path(sys.executable).parent}:{environ['PATH']}"}

    done = subprocess.run(
        [shutil.which("bash") or "/bin/bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 transactions sent." in done.stdout
    assert "Everything stands already; nothing was sent." in done.stdout
    assert "differs" not in done.stdout
    # the addresses hang on the configuration alone, whatever the node is
    assert "PayoutVault      0x" in done.stdout
    assert (tmp_path / "bascule.toml").read_text(encoding="utf-8").startswith(file)
