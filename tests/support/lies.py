"""Every class of lie a node can tell our watcher and our submitter, as faults of a proxy."""

from __future__ import annotations

from typing import Any

from bascule.entrypoints.devchain.faults.words import WORDS

Fault = dict[str, Any]

LOGS = ["eth_getLogs"]
SEND = ["eth_sendRawTransaction"]
RECEIPTS = ["eth_getTransactionReceipt"]

# Nothing, or nothing whole, arrives.
BROKEN: list[Fault] = [
    {"kind": "drop"},
    {"kind": "drop", "chance": 0.5, "seed": 1},
    {"kind": "hang", "seconds": 0.01},
    {"kind": "delay", "seconds": 0.01},
    {"kind": "drip", "seconds": 0.01, "pieces": 3},
    {"kind": "cut"},
    {"kind": "cut", "keep": 0.99, "skip": 3},
    {"kind": "reset"},
    {"kind": "huge", "bytes": 1_000_000},
]
# Somebody else answers: a gateway, a provider's limits.
REFUSED: list[Fault] = [
    {"kind": "page", "status": 200},
    {"kind": "page", "status": 413},
    {"kind": "page", "status": 429, "text": "Too Many Requests", "retry_after": 1},
    {"kind": "page", "status": 502},
    {"kind": "page", "status": 503, "skip": 2},
    {"kind": "http_error", "client": "alchemy", "says": "rate_limited"},
    {"kind": "http_error", "client": "infura", "says": "rate_limited", "skip": 2},
    {"kind": "error", "client": "geth", "says": "missing_state"},
    {"kind": "error", "client": "nethermind", "says": "unknown", "skip": 1},
    {"kind": "error", "client": "alchemy", "says": "rate_limited", "chance": 0.5, "seed": 2},
]
# The envelope is not what was asked for.
MISADDRESSED: list[Fault] = [
    {"kind": "duplicate_keys"},
    {"kind": "batch_reorder"},
    {"kind": "batch_missing"},
    {"kind": "batch_extra"},
    {"kind": "wrong_id"},
    {"kind": "wrong_id", "skip": 3},
]
# The node looks at another chain, or at this one from behind.
ELSEWHERE: list[Fault] = [
    {"kind": "stale_head"},
    {"kind": "lag", "blocks": 2},
    {"kind": "lag", "blocks": 1, "chance": 0.5, "seed": 3},
]
FALSE_LOGS: list[Fault] = [
    {"kind": "drop", "forwarded": True, "methods": LOGS},
    {"kind": "error", "client": "geth", "says": "unknown_block", "methods": LOGS},
    {"kind": "error", "client": "infura", "says": "too_many_results", "methods": LOGS},
    {"kind": "error", "client": "quicknode", "says": "block_range", "methods": LOGS},
    {"kind": "duplicate_keys", "second": [], "methods": LOGS},
    {"kind": "empty"},
    {"kind": "truncate"},
    {"kind": "truncate", "drop": 2},
    {"kind": "omit", "index": 0},
    {"kind": "duplicate"},
    {"kind": "reorder"},
    {"kind": "null", "methods": LOGS},
    {"kind": "bend", "field": "blockHash"},
    {"kind": "bend", "field": "blockNumber"},
    {"kind": "bend", "field": "logIndex"},
    {"kind": "bend", "field": "logIndex", "value": None, "index": -1},
    {"kind": "bend", "field": "address"},
    {"kind": "bend", "field": "topics", "value": []},
    {"kind": "bend", "field": "removed", "value": True},
]
FALSE_BLOCKS: list[Fault] = [
    {"kind": "null"},
    {"kind": "wrong_chain"},
    {"kind": "wrong_hash", "times": 2},
    {"kind": "wrong_hash", "times": 2, "skip": 2},
    {"kind": "wrong_hash", "field": "parentHash", "times": 3},
    {"kind": "bend", "field": "logsBloom", "methods": ["eth_getBlockByNumber"]},
    {"kind": "bend", "field": "number", "methods": ["eth_getBlockByNumber"], "skip": 1, "times": 2},
]
READ_LIES = {
    "misaddressed": MISADDRESSED[:2],
    "elsewhere": ELSEWHERE[:2],
    "false logs": FALSE_LOGS[:2],
    "false blocks": FALSE_BLOCKS[:2],
    "broken": BROKEN[1:3],
}
MORE_READ_LIES = {
    "misaddressed": MISADDRESSED,
    "elsewhere": ELSEWHERE,
    "false logs": FALSE_LOGS,
    "false blocks": FALSE_BLOCKS,
    "broken": BROKEN,
    "refused": REFUSED,
}

# The node has the bytes, and its caller does not know; or the other way round.
TAKEN: list[Fault] = [
    {"kind": "drop", "methods": SEND},
    {"kind": "drop", "methods": SEND, "forwarded": True},
    {"kind": "hang", "methods": SEND, "forwarded": True, "seconds": 0.01},
    {"kind": "page", "methods": SEND, "forwarded": True},
    {"kind": "page", "methods": SEND, "status": 504},
    {"kind": "cut", "methods": SEND},
    {"kind": "duplicate_keys", "methods": SEND},
    {"kind": "wrong_id", "methods": SEND},
    {"kind": "null", "methods": SEND},
    {"kind": "swallow"},
]
FALSE_RECEIPTS: list[Fault] = [
    {"kind": "null", "methods": RECEIPTS},
    {"kind": "drop", "methods": RECEIPTS},
    {"kind": "batch_missing", "methods": RECEIPTS},
    {"kind": "batch_extra", "methods": RECEIPTS},
    {"kind": "bend", "field": "blockHash", "methods": RECEIPTS},
    {"kind": "bend", "field": "blockNumber", "methods": RECEIPTS},
    {"kind": "bend", "field": "transactionHash", "methods": RECEIPTS},
    {"kind": "bend", "field": "logs", "value": [], "methods": RECEIPTS},
    {"kind": "error", "client": "geth", "says": "reverted", "methods": ["eth_call"]},
]


def words(*clients: str) -> list[Fault]:
    """What these clients say to bytes they refuse; every second one has taken them all the same."""
    said = [(client, says) for client in clients for says, words in WORDS[client].items() if words.code < 0]
    return [
        {"kind": "error", "client": client, "says": says, "methods": SEND, "forwarded": at % 2 == 1}
        for at, (client, says) in enumerate(said)
    ]


SEND_LIES = {
    "taken or not": TAKEN,
    "false receipts": FALSE_RECEIPTS,
    "in geth's words": words("geth")[:4],
}
MORE_SEND_LIES = {
    "broken": BROKEN,
    "refused": REFUSED,
    "misaddressed": MISADDRESSED,
    "elsewhere": ELSEWHERE,
    "in geth's words": words("geth")[4:],
    "in other clients' words": words("erigon", "nethermind", "besu", "arbitrum", "anvil"),
}
