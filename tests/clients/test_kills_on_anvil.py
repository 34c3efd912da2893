"""Processes killed at every place where a node's own pool and blocks decide what the next life finds."""

from pathlib import Path

import pytest

from tests.support import kills
from tests.support.anvil import anvil

pytestmark = pytest.mark.slow


def test_processes_killed_while_anvil_holds_their_transactions_pay_each_payout_once(tmp_path: Path) -> None:
    with anvil("--block-time", kills.BLOCK_TIME, epoch=2) as url:
        found = kills.kill_at(tmp_path / "data", kills.OTHER_NODE, rpc_url=url)

    assert found.payouts_paid >= 1
    assert found.deposits_booked >= 1
