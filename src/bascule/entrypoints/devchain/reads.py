"""The read methods: chain, blocks, transactions, receipts, logs and fees, all from the index."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from bascule.entrypoints.devchain import encode, log_filter, params
from bascule.entrypoints.devchain.accounts import dev_accounts
from bascule.entrypoints.devchain.chain import LocalChain
from bascule.entrypoints.devchain.errors import invalid_params, refused
from bascule.entrypoints.devchain.records import Block

TIP = 10**9
MAX_FEE_HISTORY = 1024
CLIENT_VERSION = "bascule-devchain/py-evm"


class Reads:
    """Answers that need no EVM, so they never wait for a block being mined."""

    def __init__(self, chain: LocalChain) -> None:
        self._chain = chain

    def block_at(self, selector: object) -> Block | None:
        """Returns the block of a number, tag or `{blockHash}` object; None if there is none."""
        if isinstance(selector, dict):
            fields = params.members(
                selector, "block", frozenset({"blockHash", "blockNumber", "requireCanonical"})
            )
            if "blockHash" in fields:
                return self._chain.index.by_hash(params.data(fields["blockHash"], "blockHash", 32))
            selector = fields.get("blockNumber")
        if isinstance(selector, str) and selector in params.TAGS:
            return self._chain.tagged(selector)
        return self._chain.index.by_number(params.quantity(selector, "block"))

    async def shown_block(self, selector: object) -> Block | None:
        """Returns the selected block; for `pending` the one that would come next."""
        return (await self._chain.preview()).block if selector == "pending" else self.block_at(selector)

    def existing_block(self, selector: object) -> Block:
        """Returns the selected block or refuses in geth's words."""
        block = self.block_at(selector)
        if block is None:
            raise refused("header not found")
        return block

    def chain_id(self) -> str:
        """eth_chainId."""
        return hex(self._chain.chain_id)

    def net_version(self) -> str:
        """net_version."""
        return str(self._chain.chain_id)

    def client_version(self) -> str:
        """web3_clientVersion."""
        return CLIENT_VERSION

    def syncing(self) -> bool:
        """eth_syncing: never."""
        return False

    def accounts(self) -> list[str]:
        """eth_accounts: the development accounts; the node signs for none of them."""
        return [account.address for account in dev_accounts()]

    def block_number(self) -> str:
        """eth_blockNumber."""
        return hex(self._chain.index.head.number)

    async def block_by_number(self, selector: object, full: object = False) -> Any:
        """eth_getBlockByNumber; the pending block has no hash, nonce and miner yet."""
        wants_full = params.boolean(full, "full")
        if isinstance(selector, dict):
            raise invalid_params("block: a number or tag is needed")
        block = await self.shown_block(selector)
        shown = block.block_json(full=wants_full) if block else None
        if selector == "pending" and shown:
            return msgspec.json.decode(shown) | dict.fromkeys(("hash", "nonce", "miner"))
        return shown

    def block_by_hash(self, block_hash: object, full: object = False) -> Any:
        """eth_getBlockByHash."""
        wants_full = params.boolean(full, "full")
        block = self._chain.index.by_hash(params.data(block_hash, "block hash", 32))
        return block.block_json(full=wants_full) if block else None

    async def count_by_number(self, selector: object) -> str | None:
        """eth_getBlockTransactionCountByNumber."""
        block = await self.shown_block(selector)
        return hex(len(block.transactions)) if block else None

    def count_by_hash(self, block_hash: object) -> str | None:
        """eth_getBlockTransactionCountByHash."""
        block = self._chain.index.by_hash(params.data(block_hash, "block hash", 32))
        return hex(len(block.transactions)) if block else None

    def transaction(self, tx_hash: object) -> Any:
        """eth_getTransactionByHash: mined, waiting, or null."""
        wanted = params.data(tx_hash, "transaction hash", 32)
        found = self._chain.index.transaction(wanted)
        if found:
            return msgspec.Raw(found[2].json)
        waiting = self._chain.pool.get(wanted)
        return encode.transaction(waiting, None, 0) if waiting else None

    def raw_transaction(self, tx_hash: object) -> str:
        """eth_getRawTransactionByHash: its signed bytes, mined or waiting; `0x` when it is unknown."""
        wanted = params.data(tx_hash, "transaction hash", 32)
        if found := self._chain.index.transaction(wanted):
            return encode.data(found[2].raw)
        waiting = self._chain.pool.get(wanted)
        return encode.data(waiting.encode() if waiting else b"")

    async def transaction_by_number(self, selector: object, position: object) -> Any:
        """eth_getTransactionByBlockNumberAndIndex."""
        return _transaction_in(await self.shown_block(selector), params.quantity(position, "index"))

    def transaction_by_block(self, block_hash: object, position: object) -> Any:
        """eth_getTransactionByBlockHashAndIndex."""
        block = self._chain.index.by_hash(params.data(block_hash, "block hash", 32))
        return _transaction_in(block, params.quantity(position, "index"))

    def receipt(self, tx_hash: object) -> Any:
        """eth_getTransactionReceipt."""
        found = self._chain.index.transaction(params.data(tx_hash, "transaction hash", 32))
        return found[2].receipt_json() if found else None

    async def block_receipts(self, selector: object) -> Any:
        """eth_getBlockReceipts, by number, tag or block hash."""
        if isinstance(selector, str) and len(selector) == 66:
            selector = {"blockHash": selector}
        block = await self.shown_block(selector)
        return [tx.receipt_json() for tx in block.transactions] if block else None

    def logs(self, criteria: object) -> list[msgspec.Raw]:
        """eth_getLogs, by range or block hash."""
        fields = log_filter.members(criteria)
        found = log_filter.log_filter(fields).matching(self._log_blocks(fields))
        return [msgspec.Raw(log.json) for log in found]

    def _log_blocks(self, fields: Any) -> Sequence[Block]:
        if fields.get("blockHash") is not None:
            if fields.get("fromBlock") is not None or fields.get("toBlock") is not None:
                raise invalid_params(
                    "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other"
                )
            block = self._chain.index.by_hash(params.data(fields["blockHash"], "blockHash", 32))
            if block is None:
                raise refused("unknown block")
            return [block]
        first, last = (
            self._height("latest" if fields.get(name) is None else fields[name])
            for name in ("fromBlock", "toBlock")
        )
        if first > last:
            raise invalid_params("invalid block range params")
        return self._chain.index.blocks[first : last + 1]

    def _height(self, selector: object) -> int:
        if selector == "pending":
            raise refused("pending logs are not supported")
        if isinstance(selector, str) and selector in params.TAGS:
            return self._chain.tagged(selector).number
        return params.quantity(selector, "block")

    def gas_price(self) -> str:
        """eth_gasPrice: the next block's base fee and a tip."""
        return hex(self._chain.next_base_fee + TIP)

    def max_priority_fee(self) -> str:
        """eth_maxPriorityFeePerGas."""
        return hex(TIP)

    def blob_base_fee(self) -> str:
        """eth_blobBaseFee: the least there is, since no blobs are carried."""
        return "0x1"

    def fee_history(self, count: object, newest: object, percentiles: object = None) -> dict[str, Any]:
        """eth_feeHistory."""
        wanted = min(params.quantity(count, "block count"), MAX_FEE_HISTORY)
        last = self.existing_block(newest).number
        blocks = self._chain.index.blocks[max(0, last + 1 - wanted) : last + 1] if wanted else []
        if not blocks:
            return {"oldestBlock": "0x0", "baseFeePerGas": None, "gasUsedRatio": None}
        head = self._chain.index.head
        after = self._chain.next_base_fee if blocks[-1] is head else blocks[-1].next_base_fee
        history: dict[str, Any] = {
            "oldestBlock": hex(blocks[0].number),
            "baseFeePerGas": [hex(block.base_fee) for block in blocks] + [hex(after)],
            "gasUsedRatio": [block.gas_used / block.gas_limit for block in blocks],
            "baseFeePerBlobGas": ["0x1"] * (len(blocks) + 1),
            "blobGasUsedRatio": [0.0] * len(blocks),
        }
        points = _percentiles(percentiles)
        if points:
            history["reward"] = [[hex(tip) for tip in _tips(block, points)] for block in blocks]
        return history


def _transaction_in(block: Block | None, position: int) -> msgspec.Raw | None:
    if block is None or position >= len(block.transactions):
        return None
    return msgspec.Raw(block.transactions[position].json)


def _percentiles(value: object) -> list[float]:
    points = [] if value is None else value
    if not isinstance(points, list) or not all(
        isinstance(point, int | float) and not isinstance(point, bool) and 0 <= point <= 100
        for point in points
    ):
        raise invalid_params("reward percentiles: a list of numbers from 0 to 100 is needed")
    if points != sorted(points) or len(points) > 100:
        raise invalid_params("reward percentiles: must rise, and be at most 100")
    return points


def _tips(block: Block, points: Sequence[float]) -> list[int]:
    """Returns the tips below which those shares of the block's gas were bought, in wei."""
    by_tip = sorted(block.transactions, key=lambda tx: tx.tip)
    tips: list[int] = []
    for point in points:
        threshold, spent, tip = math.floor(block.gas_used * point / 100), 0, 0
        for tx in by_tip:
            spent, tip = spent + tx.gas_used, tx.tip
            if spent >= threshold:
                break
        tips.append(tip)
    return tips
