"""The methods that look into the mempool: txpool_*, in geth's shapes."""

from typing import Any

from bascule.entrypoints.devchain import encode, params
from bascule.entrypoints.devchain.chain import LocalChain
from bascule.entrypoints.devchain.pool import Sender

STATES = ("pending", "queued")


class PoolReads:
    """Waiting transactions by state (pending, queued), by sender and by nonce in decimal digits."""

    def __init__(self, chain: LocalChain) -> None:
        self._pool = chain.pool

    def status(self) -> dict[str, str]:
        """txpool_status: how many there are of each state."""
        senders = self._pool.senders().values()
        return {
            "pending": hex(sum(sender.pending_count for sender in senders)),
            "queued": hex(sum(sender.queued_count for sender in senders)),
        }

    def content(self) -> dict[str, dict[str, dict[str, Any]]]:
        """txpool_content: whole transactions."""
        return self._by_state(whole)

    def inspect(self) -> dict[str, dict[str, dict[str, Any]]]:
        """txpool_inspect: one line for each transaction."""
        return self._by_state(line)

    def content_from(self, account: object) -> dict[str, dict[str, Any]]:
        """txpool_contentFrom: one account's transactions, without the level of addresses."""
        sender = self._pool.senders().get(params.address(account))
        return {state: _by_nonce(sender, state, whole) if sender else {} for state in STATES}

    def _by_state(self, show: Any) -> dict[str, dict[str, dict[str, Any]]]:
        return {
            state: {
                str(encode.address(address)): shown
                for address, sender in self._pool.senders().items()
                if (shown := _by_nonce(sender, state, show))
            }
            for state in STATES
        }


def _by_nonce(sender: Sender, state: str, show: Any) -> dict[str, Any]:
    return {str(tx.nonce): show(tx) for tx in getattr(sender, state)}


def whole(tx: Any) -> dict[str, Any]:
    """Returns the transaction as eth_getTransactionByHash does."""
    return encode.transaction(tx, None, 0)


def line(tx: Any) -> str:
    """Returns receiver, value and gas in one line."""
    to = encode.address(tx.to) or "contract creation"
    return f"{to}: {tx.value} wei + {tx.gas} gas × {tx.max_fee_per_gas} wei"  # noqa: RUF001  # as geth writes it
