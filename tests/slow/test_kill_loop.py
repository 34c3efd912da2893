"""A minute of kills over 200 payouts: two submitters, two signers, and one more submitter that overslept.

BASCULE_KILLS="first-last" chooses other seeds.
"""

import os
import random
from pathlib import Path
from threading import Event

import pytest

from tests.support import kill_loop, kills
from tests.support.kill_driver import Driver, inbox

pytestmark = pytest.mark.slow
FIRST, _, LAST = os.environ.get("BASCULE_KILLS", "1-1").partition("-")
PAYOUTS, SECONDS = 200, 60.0


@pytest.mark.parametrize("seed", range(int(FIRST), int(LAST or FIRST) + 1))
def test_submitters_and_signers_killed_for_a_minute_pay_each_payout_once(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "data"
    with kills.dev(folder) as (pid, ready), inbox() as (url, got):
        driver = Driver(ready)
        driver.begin(url)
        with (
            kill_loop.asleep(folder, pid, "submitter"),
            kill_loop.loop(folder / "bascule.toml", tmp_path, f"{ready['chain_id']}/vault-0") as loop,
        ):
            enough = Event()
            busy = kill_loop.asking(driver, PAYOUTS, enough)
            try:
                killed = loop.kill_for(SECONDS, driver, random.Random(seed))
            finally:
                enough.set()
            busy.result(timeout=kill_loop.PATIENCE_S)
        print(f"kills at work {dict(killed)}, lives {loop.lives}")
        found = kills.judged(driver, got)

        assert found.payouts_paid == len(driver.payouts) >= PAYOUTS
        assert loop.too_seldom(killed) == []
        kill_loop.require_nonces_explained(driver)
