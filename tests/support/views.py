"""What a client sees of a chain, in one shape for web3.py, viem and ethers, so that views can be compared.

Keys of a view: `head`; `blocks`, the hashes from `first` to the head; `logs` of that range; `logs_of` each of
these blocks and of those that left, by hash; `gone`, what is found under the hashes of blocks that left;
`transactions`, the block each stands in, "waiting" or None; `receipts`. What is not there is None.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from web3 import HTTPProvider, Web3
from web3.exceptions import BlockNotFound, TransactionNotFound, Web3RPCError

from tests.support.javascript import node_command

View = dict[str, Any]
Client = Callable[["Question"], View]


@dataclass(frozen=True)
class Question:
    """What is asked of the node at `url`; hashes in 0x-hex."""

    url: str
    first: int
    transactions: Sequence[str]
    gone: Sequence[str]


def by_web3(question: Question) -> View:
    """The chain as web3.py sees it."""
    eth: Any = Web3(HTTPProvider(question.url, exception_retry_configuration=None)).eth
    head = eth.block_number
    asked = question.transactions
    blocks = [_hex(eth.get_block(number)["hash"]) for number in range(question.first, head + 1)]
    logs = eth.get_logs({"fromBlock": question.first, "toBlock": head})
    return {
        "head": head,
        "blocks": blocks,
        "logs": [_log(log) for log in logs],
        "logs_of": {key: _logs_of(eth, key) for key in (*blocks, *question.gone)},
        "gone": {key: _found(eth.get_block, key, lambda block: _hex(block["hash"])) for key in question.gone},
        "transactions": {key: _found(eth.get_transaction, key, _place) for key in asked},
        "receipts": {key: _found(eth.get_transaction_receipt, key, _receipt) for key in asked},
    }


def _found(ask: Callable[[str], Any], key: str, told: Callable[[Any], Any]) -> Any:
    try:
        return told(ask(key))
    except (BlockNotFound, TransactionNotFound):
        return None


def _logs_of(eth: Any, block_hash: str) -> list[Any] | None:
    try:
        return [_log(log) for log in eth.get_logs({"blockHash": block_hash})]
    except Web3RPCError as error:
        if "unknown block" not in str(error):
            raise
        return None


def _place(transaction: Mapping[str, Any]) -> str:
    return _hex(transaction["blockHash"]) if transaction["blockHash"] else "waiting"


def _receipt(found: Mapping[str, Any]) -> list[Any]:
    logs = [_log(log) for log in found["logs"]]
    return [_hex(found["blockHash"]), found["blockNumber"], found["status"] == 1, logs]


@contextmanager
def by_javascript(library: str) -> Iterator[Client]:
    """The chain as `viem` or `ethers` sees it: one process for all questions, ended afterwards."""
    command = node_command("view.mjs", library)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(question: Question) -> View:
            process.stdin.write(json.dumps(asdict(question)) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            assert line, f"{library} ended"
            view: View = json.loads(line)
            assert "failed" not in view, view["failed"]
            return view

        yield ask
        process.stdin.close()


def _log(log: Mapping[str, Any]) -> list[Any]:
    return [
        _hex(log["blockHash"]),
        log["blockNumber"],
        _hex(log["transactionHash"]),
        log["logIndex"],
        log["address"].lower(),
        [_hex(topic) for topic in log["topics"]],
        _hex(log["data"]),
    ]


def _hex(value: bytes) -> str:
    return "0x" + bytes(value).hex()
