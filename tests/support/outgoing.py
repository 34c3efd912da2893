"""Who used our wallets' nonces and our vaults' ids, by the chain's own word, against what is stored.

Plain JSON-RPC, plain SQL, and no code of what is judged: blocks, receipts and calldata are read anew.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from eth_abi import decode
from eth_utils import keccak

TRANSFER = "0x" + keccak(text="Transfer(address,address,uint256)").hex()
BATCH_PAID = "0x" + keccak(text="BatchPaid(uint32,bytes32,address,uint256,uint256,uint256)").hex()
PAY = ["address", "uint32", "bytes32", "uint256", "uint256[]", "bytes16[]", "uint64"]
PAY_SELECTOR = keccak(text=f"pay({','.join(PAY)})")[:4]

# By the owner, at the end of a story that wrote down by hand what a restore would have read: no chain has it.
FORGET_WHAT_WAS_READ_BACK: LiteralString = (
    "ALTER TABLE recovered_payouts DISABLE TRIGGER append_only; DELETE FROM recovered_payouts"
)

AskAll = Callable[[Sequence[tuple[str, list[Any]]]], list[Any]]
Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Item:
    """What a vault paid for one id. amount: base units; block: its number."""

    token: str
    to: str
    amount: int
    block: int


def require_nonces_explained(ask_all: AskAll, conn: Connection, *, strangers: int = 0) -> None:
    """Each nonce that one of our wallets used was used by bytes that were stored for it.

    Or by a batch that was read back from the chain after a restore. strangers: nonces that somebody else
    used, with a key of ours.
    """
    [chain_id] = ask_all([("eth_chainId", [])])
    stored = conn.execute(
        "SELECT '0x' || encode(wallet, 'hex'), nonce, '0x' || encode(tx_hash, 'hex'), raw, state"
        " FROM attempts WHERE chain_id = %s",
        [int(chain_id, 16)],
    ).fetchall()
    wallets = [
        wallet
        for (wallet,) in conn.execute(
            "SELECT '0x' || encode(address, 'hex') FROM wallets WHERE chain_id = %s", [int(chain_id, 16)]
        ).fetchall()
    ]
    told = ask_all([("eth_getTransactionCount", [wallet, "latest"]) for wallet in wallets])
    used = {wallet: int(count, 16) for wallet, count in zip(wallets, told, strict=True)}
    mined = ask_all([("eth_getTransactionByHash", [tx_hash]) for _, _, tx_hash, _, _ in stored])
    explained: set[tuple[str, int]] = set()
    for (wallet, nonce, tx_hash, raw, state), tx in zip(stored, mined, strict=True):
        if nonce >= used[wallet]:
            continue
        assert "0x" + keccak(bytes(raw)).hex() == tx_hash, f"the bytes of {tx_hash} are others"
        if tx is None or tx["blockHash"] is None:
            assert state != "final", f"{tx_hash} is called final and is in no block"
            continue
        assert (tx["from"].lower(), int(tx["nonce"], 16)) == (wallet, nonce), f"{tx_hash} stands elsewhere"
        assert (wallet, nonce) not in explained, "one nonce was used twice"
        explained.add((wallet, nonce))
    read_back = conn.execute(
        "SELECT DISTINCT '0x' || encode(tx_hash, 'hex') FROM recovered_payouts WHERE chain_id = %s",
        [int(chain_id, 16)],
    ).fetchall()
    for tx in ask_all([("eth_getTransactionByHash", [tx_hash]) for (tx_hash,) in read_back]):
        if tx is not None and tx["blockHash"] is not None:
            explained.add((tx["from"].lower(), int(tx["nonce"], 16)))
    nobodys = {(wallet, nonce) for wallet in wallets for nonce in range(used[wallet])} - explained
    assert len(nobodys) == strangers, f"nonces that no stored bytes explain: {sorted(nobodys)}"


def require_ids_paid_once(ask_all: AskAll, conn: Connection, *, settled: bool) -> None:
    """Each vault id was paid at most once, to the payee of its payout; and at finality as its row says.

    settled: nothing is under way, so that the row of what is final says so already.
    """
    [chain_id, final] = ask_all([("eth_chainId", []), ("eth_getBlockByNumber", ["finalized", False])])
    rows = conn.execute(
        "SELECT p.id, p.state, '0x' || encode(p.vault, 'hex'), p.vault_id, '0x' || encode(t.contract, 'hex'),"
        " '0x' || encode(p.destination, 'hex'), p.amount"
        " FROM payouts p JOIN tokens t ON t.id = p.token_id WHERE p.chain_id = %s",
        [int(chain_id, 16)],
    ).fetchall()
    paid = _paid_ids(ask_all, conn, int(chain_id, 16))
    known = {}
    for payout_id, state, vault, vault_id, *asked in rows:
        if vault_id is None:
            assert state != "paid", f"{payout_id} is called paid and has no vault id"
            continue
        key = (vault, int(vault_id))
        assert key not in known, f"{payout_id} shares its vault id"
        known[key] = payout_id
        item = paid.get(key)
        if item is not None:
            assert [item.token, item.to, item.amount] == [*asked[:2], int(asked[2])], f"{payout_id} paid else"
        at_finality = item is not None and item.block <= int(final["number"], 16)
        if state == "paid":
            assert at_finality, f"{payout_id} is called paid and its id was not, at finality"
        elif item is not None:
            assert state == "in_transit", f"{payout_id} is {state} and its id was paid"
            assert not (settled and at_finality), f"{payout_id} was paid, at finality, and its row waits"
    read_back = conn.execute(
        "SELECT '0x' || encode(vault, 'hex'), vault_id, '0x' || encode(token, 'hex'),"
        " '0x' || encode(destination, 'hex'), amount, block_number"
        " FROM recovered_payouts WHERE outcome = 'paid' AND chain_id = %s",
        [int(chain_id, 16)],
    ).fetchall()
    for vault, vault_id, token, to, amount, block in read_back:
        found = paid.pop((vault, int(vault_id)), None)
        assert found == Item(token, to, int(amount), block), f"{vault_id} was read back as it is not"
    assert set(paid) <= set(known), "an id was paid that no payout has"


def _paid_ids(ask_all: AskAll, conn: Connection, chain_id: int) -> dict[tuple[str, int], Item]:
    """What each id was paid, on the canonical chain up to its newest block."""
    vaults = [
        vault
        for (vault,) in conn.execute(
            "SELECT DISTINCT '0x' || encode(vault, 'hex') FROM lanes WHERE chain_id = %s", [chain_id]
        ).fetchall()
    ]
    asked = {"fromBlock": "0x0", "toBlock": "latest", "topics": [BATCH_PAID]}
    batches = [
        log
        for logs in ask_all([("eth_getLogs", [{**asked, "address": vault}]) for vault in vaults])
        for log in logs
    ]
    hashes = list(dict.fromkeys(log["transactionHash"] for log in batches))
    told = ask_all(
        [
            (method, [tx_hash])
            for tx_hash in hashes
            for method in ("eth_getTransactionByHash", "eth_getTransactionReceipt")
        ]
    )
    paid: dict[tuple[str, int], Item] = {}
    for tx, receipt in zip(told[::2], told[1::2], strict=True):
        for key, item in _paid_in(tx, receipt):
            assert key not in paid, f"the vault paid id {key[1]} twice"
            paid[key] = item
    return paid


def _paid_in(tx: Mapping[str, Any], receipt: Mapping[str, Any]) -> Iterator[tuple[tuple[str, int], Item]]:
    """The ids a transaction paid: those its batch attempted that have their Transfer.

    A token may say that it paid and move nothing; that is not paid.
    """
    [batch] = [log for log in receipt["logs"] if log["topics"][0] == BATCH_PAID]
    vault, token = batch["address"].lower(), "0x" + batch["topics"][2][26:]
    call = bytes.fromhex(tx["input"][2:])
    assert call[:4] == PAY_SELECTOR, "a batch ran by another call than pay"
    named, _, _, word, items, _, _ = decode(PAY, call[4:])
    assert (named, tx["to"].lower()) == (token, vault)
    _, attempted, refused = decode(["bytes32", "uint256", "uint256"], bytes.fromhex(batch["data"][2:]))
    moved = Counter(
        ("0x" + log["topics"][2][26:], int(log["data"], 16))
        for log in receipt["logs"]
        if log["address"].lower() == token
        and log["topics"][0] == TRANSFER
        and log["topics"][1][26:] == vault[2:]
    )
    for item in items:
        index, amount, to = item >> 248, item >> 160 & 2**88 - 1, f"0x{item & 2**160 - 1:040x}"
        if (attempted & ~refused) >> index & 1 and moved[to, amount]:
            moved[to, amount] -= 1
            yield (vault, word << 8 | index), Item(token, to, amount, int(receipt["blockNumber"], 16))
    assert not +moved, f"the vault moved what no id was paid: {+moved}"
