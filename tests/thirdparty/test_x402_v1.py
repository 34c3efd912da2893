"""A shop and a buyer that never heard of version 2 of x402: what was deployed in 2025 and is not touched."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bascule.domain.chain import ChainId, checksum
from bascule.domain.x402 import NAMES
from tests.support.flushing import CUSTOMER
from tests.support.money_out import OpenAs
from tests.support.open_for_business import opened, till_of_today

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent / "x402_v1"
NETWORK = "base-sepolia"  # version 1 knows no network but those of its list
TEN_CENTS = 100_000


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The old library beside, not in place of, the new one. Skips where the registry has it no more."""
    place = tmp_path_factory.mktemp("x402_v1")
    done = subprocess.run(
        [
            Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--python", sys.executable,
            "--no-deps", "--require-hashes", "--target", place, "--requirement", HERE / "requirements.txt",
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"x402 0.2.1 cannot be installed: {done.stderr.strip()[-200:]}")
    return place


def bought(library: Path, order: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, HERE / "buy.py"],
        input=json.dumps(order), env=os.environ | {"PYTHONPATH": str(library)},
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


async def test_a_shop_and_a_buyer_of_version_1_pay_by_us(
    db_as: OpenAs, tmp_path: Path, library: Path
) -> None:
    chain_id: ChainId = NAMES[NETWORK]
    async with till_of_today(db_as, tmp_path, chain_id=chain_id) as shop:
        async with opened(shop) as url:
            order = {
                "facilitator": f"{url}/x402",
                "secret": shop.secret,
                "key": shop.stage.node.accounts[CUSTOMER].private_key,
                "network": NETWORK,
                "pay_to": shop.pay_to,
                "asset": checksum(shop.stage.token.contract),
                "amount": str(TEN_CENTS),
            }
            said = await asyncio.to_thread(bought, library, order)
            assert (said["status"], said["body"]) == (200, {"weather": "sunny"})
            paid = json.loads(base64.b64decode(said["paid"]))
            assert (paid["success"], paid["network"]) == (True, NETWORK)
            for _ in range(300):
                if await shop.stored() == [("settled", None)]:
                    break
                await asyncio.sleep(0.1)
        assert await shop.received() == [TEN_CENTS]
        assert await shop.books() == {"available": TEN_CENTS}
        rows = await shop.stage.rows("SELECT tx_hash FROM deposits WHERE kind = 'payment'")
        assert ["0x" + bytes(each).hex() for (each,) in rows] == [paid["transaction"]]
        await shop.world.require_even()
