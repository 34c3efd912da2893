"""What developers do with viem, ethers and web3.py comes out on our local chain as it does on anvil.

The scripts say what they saw; here stands what any node must show, whichever client asks.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bascule.entrypoints.devchain.accounts import dev_accounts
from tests.support.anvil import BY_INTERVAL, CLIENTS, anvil
from tests.support.chain import local_node
from tests.support.javascript import node_command

pytestmark = pytest.mark.slow
NO_OPERATOR = ["NotOperator", "stranger", "0x" + "00" * 20]
EVERYWHERE: dict[str, Any] = {
    "events_to_the_stranger": [[True, 40]],
    "too_poor": ["ERC20InsufficientBalance", "stranger", "40", "41"],
    "no_operator": NO_OPERATOR,
    "no_operator_by_estimate": NO_OPERATOR,
    "fees_cover_the_next_block": True,
    "blocks_by_push": True,
}
VIEM = {
    "watched_event": [40, True],
    "read_in_a_batch": ["Test Dollar", "USDT", 6, 40],
    "sent_anyway": "reverted",
    "transaction_is_whole": [True, True],
    "signature_by_contract_code": True,
    "blocks_by_polling": True,
    "replaced": ["replaced", True],
    "balance_then": "2000000000000000002",
}
ETHERS = {
    "watched_event": 40,
    "read_in_a_batch": ["Test Dollar", "USDT", 6, 40],
    "sent_anyway": ["CALL_EXCEPTION", 0],
    "transaction_is_whole": True,
    "three_confirmations": 1,
    "blocks_by_polling": True,
}
WEB3 = {
    "watched_event": [40],
    "read_in_a_batch": ["Test Dollar", 6, 40],
    "sent_anyway": 0,
    "receipt_of_the_block": True,
    "transaction_is_whole": True,
}


@pytest.fixture(params=["local chain", "anvil"])
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A node of each kind, mining by interval."""
    if request.param == "anvil":
        with anvil(*BY_INTERVAL) as address:
            yield address
    else:
        async with local_node(block_time=0.5) as node:
            yield node.url


@pytest.mark.parametrize(
    ("script", "seen"), [("use_viem.mjs", VIEM), ("use_ethers.mjs", ETHERS), ("use_web3.py", WEB3)]
)
async def test_client_finds_everything_it_is_used_to(url: str, script: str, seen: dict[str, Any]) -> None:
    python = [sys.executable, str(CLIENTS / script)]
    program = node_command(script) if script.endswith(".mjs") else python
    command = [*program, url, dev_accounts()[0].private_key]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == EVERYWHERE | seen
