"""Customers, treasury, operators and a receiver beside a running `bascule dev`, who try again until answered.

Plain HTTP, JSON-RPC and SQL: nothing here is part of what is killed.
"""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

from bascule.entrypoints.devchain.accounts import dev_accounts
from tests.support.oracle import Chain

PATIENCE_S = 60.0
Row = tuple[Any, ...]


def until(met: Callable[[], bool], what: str, *, within: float = PATIENCE_S, required: bool = True) -> bool:
    """Waits for it; whether it came."""
    deadline = time.monotonic() + within
    while not met():
        if time.monotonic() > deadline:
            assert not required, f"waited in vain for {what}"
            return False
        time.sleep(0.05)
    return True


@contextmanager
def inbox() -> Iterator[tuple[str, dict[str, set[bytes]]]]:
    """A receiver of webhooks: its address, and the different bodies that came under each webhook-id."""
    got: defaultdict[str, set[bytes]] = defaultdict(set)

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got[self.headers["webhook-id"]].add(body)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Driver:
    """Everybody who stands outside. ready: the fields of the ready line."""

    ready: Mapping[str, Any]
    intents: list[str] = field(default_factory=list)
    payouts: list[str] = field(default_factory=list)

    # ── ways to ask ──

    def api(self, key: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """An answer of the API; the same request with the same key until there is one."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.ready["api_url"] + path, data)
        request.add_header("authorization", "Basic " + base64.b64encode(f"{key}:".encode()).decode())
        request.add_header("content-type", "application/json")
        request.add_header("idempotency-key", secrets.token_hex(16))
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    return json.loads(response.read())
            except urllib.error.HTTPError as refusal:
                what = f"{path}: {refusal.read()!r}"
                if refusal.code < 500 and refusal.code != 409:
                    raise AssertionError(what) from None
            except (OSError, http.client.HTTPException) as broken:
                what = f"{path}: {broken}"
            if time.monotonic() > deadline:
                raise AssertionError(what)
            time.sleep(0.1)

    def rpc(self, method: str, *params: Any) -> Any:
        """A node's result, as soon as there is a node."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return Chain(self.ready["rpc_url"]).ask(method, *params)
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < deadline, f"{method}: no node"
                time.sleep(0.1)

    def sql(self, statement: str, *values: Any) -> list[Row]:
        """What the database's owner sees or does, as soon as there is a database."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with psycopg.connect(self.ready["database_url"], autocommit=True) as conn:
                    done = conn.execute(statement.encode(), values)
                    return done.fetchall() if done.description else []
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "no database"
                time.sleep(0.1)

    # ── the chain's users ──

    @property
    def token(self) -> str:
        return str(self.ready["tokens"][0]["contract"])

    def transact(self, private_key: str, to: str, signature: str, *arguments: Any) -> None:
        """A call that is in a block at the end, offered again when the node forgot it."""
        types = signature[signature.index("(") + 1 : -1].split(",")
        sender = Account.from_key(private_key)
        nonce = int(self.rpc("eth_getTransactionCount", sender.address, "latest"), 16)
        signed = sender.sign_transaction(
            {
                "type": 2, "chainId": self.ready["chain_id"], "nonce": nonce, "to": to, "gas": 300_000,
                "data": keccak(text=signature)[:4] + encode(types, list(arguments)),
                "maxFeePerGas": 100 * 10**9, "maxPriorityFeePerGas": 2 * 10**9, "value": 0,
            }
        )  # fmt: skip
        raw, tx_hash = "0x" + signed.raw_transaction.hex(), "0x" + signed.hash.hex()
        deadline = time.monotonic() + PATIENCE_S
        while self.rpc("eth_getTransactionReceipt", tx_hash) is None:
            assert time.monotonic() < deadline, f"{signature} was not mined"
            try:
                self.rpc("eth_sendRawTransaction", raw)
            except AssertionError:  # already known, or mined meanwhile
                time.sleep(0.1)

    def owner_calls(self, signature: str, *arguments: Any) -> None:
        """The vault's owner, who is the first development account."""
        self.transact(dev_accounts()[0].private_key, self.ready["vault"], signature, *arguments)

    # ── business ──

    def begin(self, url: str) -> None:
        """Everybody's webhooks go to `url`, and the treasury's money is booked."""
        for key in (self.ready["secret_key"], self.ready["treasury"]["secret_key"]):
            self.api(key, "/v1/webhook_endpoints", {"url": url, "enabled_events": ["*"]})
        float_booked = "SELECT 1 FROM ledger.balances WHERE code = 'custody:vault' AND posted > 0"
        until(lambda: self.sql(float_booked) != [], "the float to be booked")

    def intent(self, amount: str = "3.00", **more: Any) -> dict[str, Any]:
        asked = {"amount": amount, "currency": "usdc", **more}
        made: dict[str, Any] = self.api(self.ready["secret_key"], "/v1/payment_intents", asked)
        return made

    def pay(self, intent: Mapping[str, Any]) -> None:
        """A customer pays what is due."""
        [details] = intent["next_action"]["display_deposit_details"]["deposit_addresses"].values()
        units = int(details["supported_tokens"][0]["amount_atomic"])
        customer = self.ready["funded_accounts"][0]["private_key"]
        self.transact(customer, self.token, "transfer(address,uint256)", details["address"], units)
        self.intents.append(intent["id"])

    def payout(self, amount: str = "2.00") -> str:
        """An approved payout to an address of its own."""
        asked = {
            "amount": amount, "currency": "usdc", "network": f"eip155:{self.ready['chain_id']}",
            "destination": Account.create().address,
        }  # fmt: skip
        made = self.api(self.ready["treasury"]["secret_key"], "/v1/payouts", asked)
        self.payouts.append(made["id"])
        self.approve(made["id"])
        return str(made["id"])

    def approve(self, payout_id: str) -> None:
        """Two people sign what the payout asks for now."""
        [(kind,)] = self.sql(
            "SELECT a.kind FROM payouts p JOIN accounts a ON a.id = p.account_id WHERE p.id = %s", payout_id
        )
        keys = {"operator": self.ready["treasury"]["secret_key"], "merchant": self.ready["secret_key"]}
        key, path = keys[kind], f"/v1/payouts/{payout_id}"
        for person in self.ready["treasury"]["approvers"][:2]:
            now = self.api(key, path)
            if now["next_action"] is None:
                return
            signable = encode_typed_data(full_message=now["next_action"]["typed_data"])
            signature = Account.sign_message(signable, person["private_key"]).signature
            given = {"approver": person["address"], "signature": "0x" + signature.hex()}
            self.api(key, path + "/approve", given)

    def claim(self, url: str) -> None:
        """A customer says where a refund goes, again until the page knows."""
        form = urllib.parse.urlencode({"address": Account.create().address, "confirm": "yes"}).encode()
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urllib.request.urlopen(urllib.request.Request(url, form), timeout=10):
                    return
            except urllib.error.HTTPError as refusal:
                if refusal.code == 409:  # the link was used, by a post whose answer never came
                    return
                if refusal.code < 500:
                    raise AssertionError(refusal.read()) from None
            except (OSError, http.client.HTTPException):
                pass
            assert time.monotonic() < deadline, "no claim page"
            time.sleep(0.1)

    def everyday(self) -> None:
        """A customer pays; the treasury pays somebody."""
        intent = self.intent()
        self.pay(intent)
        self.payout()

    # ── the end ──

    def rest(self) -> None:
        """Until nothing is under way and every story has its end."""
        for (payout_id,) in self.sql("SELECT id FROM payouts WHERE state = 'requires_action'"):
            self.approve(payout_id)
        until(lambda: not self._under_way(), "everything to come to rest")
        late = "SELECT id, state FROM {} WHERE id = ANY(%s) AND state <> %s"
        assert self.sql(late.format("payouts"), self.payouts, "paid") == []
        assert self.sql(late.format("payment_intents"), self.intents, "succeeded") == []

    def _under_way(self) -> int:
        [(count,)] = self.sql(
            "SELECT (SELECT count(*) FROM payouts WHERE state IN ('pending', 'in_transit'))"
            " + (SELECT count(*) FROM slots WHERE state <> 'final')"
            " + (SELECT count(*) FROM deposits WHERE state = 'detected')"
            " + (SELECT count(*) FROM outbox WHERE NOT sequenced)"
            " + (SELECT count(*) FROM deliveries WHERE state = 'scheduled')"
            " + (SELECT count(*) FROM payment_intents WHERE id = ANY(%s) AND state <> 'succeeded')",
            self.intents,
        )
        return int(count)

    def leases_run_out(self) -> None:
        """What the dead held is free again at once, as it would be some seconds later."""
        self.sql("UPDATE leases SET expires_at = clock_timestamp()")
        self.sql("UPDATE deliveries SET lease_until = clock_timestamp() WHERE lease_until IS NOT NULL")
