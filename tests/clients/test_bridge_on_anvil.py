"""The whole bridge on a node that is not ours: the same story, the same books."""

import subprocess
from pathlib import Path

import pytest

from tests.slow.test_demo import BASCULE, demo, dev, environment, require_whole_story
from tests.support.anvil import BY_INTERVAL, anvil
from tests.support.oracle import require_sound

pytestmark = pytest.mark.slow


def test_story_on_anvil_ends_with_even_books_and_its_chain_serves_no_second_installation(
    tmp_path: Path,
) -> None:
    with anvil(*BY_INTERVAL) as url:
        code, lines, complaints = demo(tmp_path / "demo", "--rpc-url", url)
        assert code == 0, complaints
        require_whole_story(lines)

        with dev(tmp_path / "demo", "--rpc-url", url) as (_, ready):
            found = require_sound(ready)
        assert found.payouts_paid == 6
        assert found.deposits_booked >= 6

        other = [*BASCULE, "dev", "--port", "0", "--data-dir", str(tmp_path / "other"), "--rpc-url", url]
        refused = subprocess.run(other, capture_output=True, text=True, env=environment(), check=False)
        assert refused.returncode == 1
        assert "has paid for another installation" in refused.stderr
        assert "start the node anew" in refused.stderr


def test_story_on_an_anvil_that_mines_on_demand_says_how_to_start_it(tmp_path: Path) -> None:
    with anvil() as url:
        code, lines, _ = demo(tmp_path / "demo", "--rpc-url", url)

    assert code == 1
    [failed] = [line for line in lines if line["event"] == "failed"]
    assert "anvil --block-time 1 --slots-in-an-epoch 4" in failed["error"]
