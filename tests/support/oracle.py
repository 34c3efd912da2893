"""What must be true of any bridge at any moment, judged by the chain's own word and the books' own check.

Shares no code with what it judges: plain JSON-RPC, plain SQL.
"""

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.support.outgoing import require_ids_paid_once, require_nonces_explained

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
BALANCE_OF = "0x70a08231"
SETTLE_SECONDS = 40.0
MOST_AT_ONCE = 100


@dataclass(frozen=True)
class Sound:
    """What was found. custody: base units our addresses hold on chain."""

    payouts_paid: int
    deposits_booked: int
    custody: int
    height: int


class Chain:
    """JSON-RPC without any library of ours."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, method: str, *params: Any) -> Any:
        answer = self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert "error" not in answer, answer
        return answer["result"]

    def ask_all(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """The results of many calls, in their order; few requests."""
        found: list[Any] = []
        for at in range(0, len(calls), MOST_AT_ONCE):
            asked = [
                {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                for number, (method, params) in enumerate(calls[at : at + MOST_AT_ONCE])
            ]
            told = sorted(self._post(asked), key=lambda answer: answer["id"])
            assert [each["id"] for each in told] == list(range(len(asked))), told
            assert not any("error" in each for each in told), told
            found += [each["result"] for each in told]
        return found

    def _post(self, body: Any) -> Any:
        sent = json.dumps(body).encode()
        request = urllib.request.Request(self._url, sent, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.loads(response.read())


def require_sound(ready: Mapping[str, Any]) -> Sound:
    """Waits until all that is on chain now is final and settled, then judges it."""
    chain = Chain(ready["rpc_url"])
    with psycopg.connect(ready["database_url"], autocommit=True) as conn:
        height = int(chain.ask("eth_blockNumber"), 16)
        _wait(lambda: _finalized(conn) >= height, "everything to become final")
        _wait(lambda: _open_work(conn) == 0, "everything final to be booked")
        return judge(chain, conn, ready)


def judge(
    chain: Chain, conn: "psycopg.Connection[Any]", ready: Mapping[str, Any], *, ask_balances: bool = True
) -> Sound:
    """Judges what is final now; nothing may be under way.

    ask_balances: custody by balanceOf of each address, which is slow where there are many; else by the sum
    of their Transfers alone.
    """
    token = ready["tokens"][0]["contract"].lower()
    final = _finalized(conn)
    assert conn.execute("SELECT * FROM ledger.verify()").fetchall() == []
    logs = chain.ask(
        "eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(final), "address": token, "topics": [TRANSFER]}
    )
    moves = [
        ("0x" + log["topics"][1][26:], "0x" + log["topics"][2][26:], int(log["data"], 16)) for log in logs
    ]
    paid = _one_transfer_per_payout(conn, moves, ready["vault"].lower())
    require_ids_paid_once(chain.ask_all, conn, settled=True)
    require_nonces_explained(chain.ask_all, conn)
    booked = _each_deposit_booked_once(conn, logs)
    ours = _our_addresses(conn)
    custody = sum(amount * ((to in ours) - (source in ours)) for source, to, amount in moves)
    if ask_balances:
        assert custody == sum(_balance(chain, token, address, final) for address in ours)
    [journal] = conn.execute(
        "SELECT coalesce(sum(b.posted), 0) FROM ledger.balance b JOIN ledger.account a ON a.id = b.account_id"
        " JOIN tokens t ON t.id = a.token_id WHERE a.code LIKE 'custody:%%' AND t.contract = %s",
        [bytes.fromhex(token[2:])],
    ).fetchone() or [None]
    assert custody == journal
    return Sound(paid, booked, custody, final)


def judge_outgoing(node_url: str, database_url: str, strangers: int = 0) -> None:
    """Judges nonces and vault ids at any moment, also while payouts are on their way."""
    ask_all = Chain(node_url).ask_all
    with psycopg.connect(database_url, autocommit=True) as conn:
        require_ids_paid_once(ask_all, conn, settled=False)
        require_nonces_explained(ask_all, conn, strangers=strangers)


def _one_transfer_per_payout(
    conn: "psycopg.Connection[Any]", moves: list[tuple[str, str, int]], vault: str
) -> int:
    out = Counter((to, amount) for source, to, amount in moves if source == vault)
    paid = Counter(
        ("0x" + bytes(to).hex(), int(amount))
        for to, amount in conn.execute(
            "SELECT destination, amount FROM payouts WHERE state = 'paid'"
        ).fetchall()
    )
    assert out == paid, "each paid payout has exactly one Transfer, and there is no other"
    return sum(paid.values())


def _each_deposit_booked_once(conn: "psycopg.Connection[Any]", logs: list[dict[str, Any]]) -> int:
    addresses = {
        "0x" + bytes(row[0]).hex() for row in conn.execute("SELECT address FROM deposit_addresses").fetchall()
    }
    arrived = {
        (log["blockHash"], int(log["logIndex"], 16))
        for log in logs
        if "0x" + log["topics"][2][26:] in addresses
    }
    booked = [
        ("0x" + bytes(block).hex(), index)
        for block, index in conn.execute(
            "SELECT d.block_hash, d.log_index FROM deposits d JOIN ledger.booked k"
            " USING (chain_id, block_hash, log_index) WHERE d.kind = 'payment'"
        ).fetchall()
    ]
    assert len(booked) == len(set(booked))
    assert set(booked) == arrived, "each payment on chain is booked exactly once, and nothing else is"
    [posted] = conn.execute(
        "SELECT count(*) FROM ledger.tx x JOIN deposits d ON d.id = x.source_id"
        " WHERE x.source = 'deposit' AND d.kind = 'payment'"
    ).fetchone() or [None]
    assert posted == len(booked)
    return len(booked)


def _our_addresses(conn: "psycopg.Connection[Any]") -> set[str]:
    rows = conn.execute(
        "SELECT address FROM own_addresses UNION SELECT address FROM deposit_addresses"
    ).fetchall()
    return {"0x" + bytes(address).hex() for (address,) in rows}


def _balance(chain: Chain, token: str, address: str, block: int) -> int:
    call = {"to": token, "data": BALANCE_OF + address[2:].rjust(64, "0")}
    return int(chain.ask("eth_call", call, hex(block)), 16)


def _finalized(conn: "psycopg.Connection[Any]") -> int:
    row = conn.execute("SELECT finalized_number FROM cursors").fetchone()
    return -1 if row is None else int(row[0])


def _open_work(conn: "psycopg.Connection[Any]") -> int:
    """Payouts on their way and final transfers that are not booked."""
    row = conn.execute(
        "SELECT (SELECT count(*) FROM payouts WHERE state IN ('pending', 'in_transit'))"
        " + (SELECT count(*) FROM slots WHERE state <> 'final')"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _wait(true: Any, what: str) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def require_events_told(conn: "psycopg.Connection[Any]", got: Mapping[str, set[bytes]]) -> int:
    """Numbers without holes, nothing waiting, each event at its endpoint with its own bytes; how many.

    got: the different bodies that arrived under each webhook-id.
    """
    sequences = conn.execute(
        "SELECT account_id, livemode, array_agg(account_sequence ORDER BY account_sequence)"
        " FROM events GROUP BY 1, 2"
    ).fetchall()
    for account, _, numbers in sequences:
        assert numbers == list(range(1, len(numbers) + 1)), f"the events of {account} have a hole"
    assert conn.execute("SELECT event_id FROM outbox EXCEPT SELECT id FROM events").fetchall() == []
    assert conn.execute("SELECT id FROM deliveries WHERE state <> 'delivered'").fetchall() == []
    due = conn.execute("SELECT e.id, e.body FROM events e JOIN deliveries d ON d.event_id = e.id").fetchall()
    for event_id, body in due:
        assert got.get(event_id) == {bytes(body)}, f"{event_id} was not told, or with other bytes"
    assert set(got) <= {event_id for event_id, _ in due}, "something was told that did not happen"
    return len(due)
