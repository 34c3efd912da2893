"""`bascule chain` as a user starts it: kept, stopped by Ctrl-C, brought back, begun anew."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from tests.slow.test_demo import environment

pytestmark = pytest.mark.slow
BASCULE = str(Path(sys.executable).parent / "bascule")


@contextmanager
def chain(*options: str) -> Iterator[dict[str, Any]]:
    """A running `bascule chain`, ended by Ctrl-C."""
    with subprocess.Popen(
        [BASCULE, "chain", "--port", "0", "--json", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


def test_chain_is_paid_on_kept_brought_back_and_begun_anew(tmp_path: Path) -> None:
    kept = ("--data-dir", str(tmp_path), "--block-time", "0", "--safe", "0", "--finalized", "1")
    with chain(*kept) as ready:
        web3 = Web3(HTTPProvider(ready["rpc_url"]))
        assert web3.eth.chain_id == ready["chain_id"] == 31337
        payer = web3.eth.account.from_key(ready["funded_accounts"][0]["private_key"])
        assert payer.address == ready["funded_accounts"][0]["address"]
        for contract in ready["contracts"].values():
            assert len(web3.eth.get_code(contract)) > 100
        before = web3.eth.block_number
        sent = web3.eth.send_raw_transaction(
            payer.sign_transaction(
                {
                    "to": ready["deployer"]["address"], "value": 5, "gas": 21_000, "nonce": 0,
                    "gasPrice": web3.eth.gas_price * 2, "chainId": 31337,
                }
            ).raw_transaction
        )  # fmt: skip
        mined = web3.eth.wait_for_transaction_receipt(sent, timeout=10)
        assert mined["blockNumber"] == before + 1
        tags: Any = ("safe", "finalized")
        assert [web3.eth.get_block(tag)["number"] for tag in tags] == [before + 1, before]

    with chain(*kept) as again:
        web3 = Web3(HTTPProvider(again["rpc_url"]))
        assert web3.eth.get_block("latest")["hash"] == mined["blockHash"]
        assert again["contracts"] == ready["contracts"]

    with chain(*kept, "--fresh") as anew:
        web3 = Web3(HTTPProvider(anew["rpc_url"]))
        assert web3.eth.get_transaction_count(payer.address) == 0
        assert anew["contracts"] == ready["contracts"]
        told = subprocess.run(
            [BASCULE, "chain", "--port", "0", *kept, "--fresh"],
            capture_output=True, text=True, env=environment(), check=False, timeout=60,
        )  # fmt: skip
        assert (told.returncode, "in use by another local chain" in told.stderr) == (1, True)
