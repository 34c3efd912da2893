"""Transactions that wait to be mined: per sender in nonce order, gaps allowed.

`Queue.admit` is the one place that decides whether a transaction may wait; a mempool's rules belong there.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bascule.entrypoints.devchain.errors import refused

if TYPE_CHECKING:
    from eth.abc import SignedTransactionAPI

    from bascule.entrypoints.devchain.evm import Account

# geth's default price bump: a replacement must raise both fees by this many percent.
PRICE_BUMP = 10
MAX_INIT_CODE = 49_152
# EIP-7623: each token of calldata costs at least this much, four tokens to a non-zero byte.
FLOOR_PER_TOKEN = 10


class Queue:
    """Waiting transactions. Owned by the event loop, never by threads."""

    def __init__(self) -> None:
        self._by_hash: dict[bytes, SignedTransactionAPI] = {}
        self._by_nonce: dict[tuple[bytes, int], SignedTransactionAPI] = {}

    def __len__(self) -> int:
        return len(self._by_hash)

    def get(self, tx_hash: bytes) -> "SignedTransactionAPI | None":
        """Returns a waiting transaction."""
        return self._by_hash.get(tx_hash)

    def admit(self, tx: "SignedTransactionAPI", account: "Account", gas_limit: int) -> None:
        """Lets `tx` wait, or raises `RpcError` in geth's words; `account` is its sender at the head."""
        if tx.hash in self._by_hash:
            raise refused("already known")
        _check_shape(tx, gas_limit)
        if tx.nonce < account.nonce:
            raise refused(f"nonce too low: next nonce {account.nonce}, tx nonce {tx.nonce}")
        cost = tx.gas * tx.max_fee_per_gas + tx.value
        if account.balance < cost:
            raise refused(
                f"insufficient funds for gas * price + value: balance {account.balance}, tx cost {cost}, "
                f"overshot {cost - account.balance}"
            )
        rival = self._by_nonce.get((tx.sender, tx.nonce))
        if rival is not None and not _outbids(tx, rival):
            raise refused("replacement transaction underpriced")
        self._put(tx)

    def restore(self, transactions: Iterable["SignedTransactionAPI"]) -> None:
        """Puts back transactions whose blocks were replaced; a waiting one of the same nonce gives way."""
        for tx in transactions:
            self._put(tx)

    def discard(self, hashes: Iterable[bytes]) -> None:
        """Forgets transactions that were mined, refused or dropped."""
        for tx_hash in hashes:
            tx = self._by_hash.pop(tx_hash, None)
            if tx is not None:
                del self._by_nonce[tx.sender, tx.nonce]

    def all(self) -> tuple["SignedTransactionAPI", ...]:
        """Returns every waiting transaction in order of arrival."""
        return tuple(self._by_hash.values())

    def next_nonce(self, sender: bytes, account_nonce: int) -> int:
        """Returns the nonce behind the sender's gapless run of waiting transactions."""
        nonce = account_nonce
        while (sender, nonce) in self._by_nonce:
            nonce += 1
        return nonce

    def _put(self, tx: "SignedTransactionAPI") -> None:
        rival = self._by_nonce.get((tx.sender, tx.nonce))
        if rival is not None:
            del self._by_hash[rival.hash]
        self._by_hash[tx.hash] = tx
        self._by_nonce[tx.sender, tx.nonce] = tx


def runs(transactions: Iterable["SignedTransactionAPI"]) -> list[list["SignedTransactionAPI"]]:
    """Returns one nonce-ordered run per sender; senders keep their order of arrival."""
    senders: dict[bytes, list[SignedTransactionAPI]] = {}
    for tx in transactions:
        senders.setdefault(tx.sender, []).append(tx)
    return [sorted(run, key=lambda tx: tx.nonce) for run in senders.values()]


def _outbids(tx: "SignedTransactionAPI", rival: "SignedTransactionAPI") -> bool:
    return all(
        new * 100 >= old * (100 + PRICE_BUMP)
        for new, old in (
            (tx.max_fee_per_gas, rival.max_fee_per_gas),
            (tx.max_priority_fee_per_gas, rival.max_priority_fee_per_gas),
        )
    )


def _check_shape(tx: "SignedTransactionAPI", gas_limit: int) -> None:
    if tx.gas > gas_limit:
        raise refused("exceeds block gas limit")
    if tx.max_priority_fee_per_gas > tx.max_fee_per_gas:
        raise refused(
            "max priority fee per gas higher than max fee per gas: "
            f"maxPriorityFeePerGas: {tx.max_priority_fee_per_gas}, maxFeePerGas: {tx.max_fee_per_gas}"
        )
    if not tx.to and len(tx.data) > MAX_INIT_CODE:
        raise refused(f"max initcode size exceeded: code size {len(tx.data)}, limit {MAX_INIT_CODE}")
    if tx.gas < tx.intrinsic_gas:
        raise refused(f"intrinsic gas too low: gas {tx.gas}, minimum needed {tx.intrinsic_gas}")
    floor = floor_gas(tx.data)
    if tx.gas < floor:
        raise refused(f"insufficient gas for floor data gas cost: gas {tx.gas}, minimum needed {floor}")


def floor_gas(payload: bytes) -> int:
    """Returns EIP-7623's lower bound for a transaction with that calldata, in gas."""
    zeros = payload.count(0)
    return 21_000 + FLOOR_PER_TOKEN * (zeros + 4 * (len(payload) - zeros))
