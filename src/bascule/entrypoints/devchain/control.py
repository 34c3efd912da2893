"""The methods that steer the chain: mining, time, fees, snapshots, reorgs and finality."""

from bascule.entrypoints.devchain import encode, params
from bascule.entrypoints.devchain.chain import LocalChain
from bascule.entrypoints.devchain.errors import invalid_params
from bascule.entrypoints.devchain.mining import Miner

MAX_BLOCKS = 10_000
# A header's base fee is a 256-bit number; beyond this, what blocks cost would no longer fit into one.
MAX_BASE_FEE = 2**64
MAX_INTERVAL = 86_400
# Seconds; a header's time is a 64-bit number, and many more blocks shall follow.
MAX_TIME = 2**62


class Controls:
    """What a test does to the chain on purpose."""

    def __init__(self, chain: LocalChain, miner: Miner) -> None:
        self._chain = chain
        self._miner = miner

    async def mine(self, options: object = None) -> str:
        """evm_mine: one block, at a timestamp (seconds) if one is given, or `{blocks, timestamp}`."""
        count, timestamp = 1, None
        if isinstance(options, dict):
            fields = params.members(options, "options", frozenset({"blocks", "timestamp"}))
            count = params.quantity(fields.get("blocks", 1), "blocks")
            options = fields.get("timestamp")
        if options is not None:
            timestamp = params.quantity(options, "timestamp")
        if not 1 <= count <= MAX_BLOCKS:
            raise invalid_params(f"blocks: from 1 to {MAX_BLOCKS}")
        if timestamp is not None and timestamp > MAX_TIME:
            raise invalid_params(f"timestamp: at most {MAX_TIME}")
        await self._chain.mine(count, timestamp)
        return "0x0"

    async def set_automine(self, on: object) -> bool:
        """evm_setAutomine: true mines a block with each transaction, instead of by interval."""
        await self._miner.set_automine(params.boolean(on, "automine"))
        return True

    async def set_interval_mining(self, seconds: object) -> bool:
        """evm_setIntervalMining: a block every so many seconds (as anvil reads it); 0: only on demand."""
        wanted = params.quantity(seconds, "seconds")
        if wanted > MAX_INTERVAL:
            raise invalid_params(f"seconds: at most {MAX_INTERVAL}")
        await self._miner.set_interval(wanted or None)
        return True

    def increase_time(self, seconds: object) -> int:
        """evm_increaseTime: later blocks are that many seconds later; returns the whole offset so far."""
        offset = self._chain.time_offset + params.quantity(seconds, "seconds")
        if offset > MAX_TIME:
            raise invalid_params(f"seconds: at most {MAX_TIME} in all")
        self._chain.time_offset = offset
        return offset

    def snapshot(self) -> str:
        """evm_snapshot."""
        return hex(self._chain.snapshot())

    async def revert(self, number: object) -> bool:
        """evm_revert."""
        return await self._chain.revert(params.quantity(number, "snapshot"))

    async def reorg(self, options: object) -> dict[str, str]:
        """bascule_reorg: `{depth, drop}`; returns the new head. What is to be dropped has to be there."""
        fields = params.members(options, "options", frozenset({"depth", "drop"}))
        if not isinstance(drop := fields.get("drop") or [], list):
            raise invalid_params("drop: a list of transaction hashes is needed")
        hashes = {params.data(tx_hash, "drop", 32) for tx_hash in drop}
        head = await self._chain.reorg(params.quantity(fields.get("depth"), "depth"), hashes, strict=True)
        return {"number": hex(head.number), "hash": encode.data(head.hash)}

    async def drop_transaction(self, tx_hash: object) -> str | None:
        """bascule_dropTransaction: forgets a waiting transaction, as a full pool does; null if none waits."""
        wanted = params.data(tx_hash, "transaction hash", 32)
        return encode.data(wanted) if await self._chain.forget(wanted) else None

    async def set_base_fee(self, options: object) -> dict[str, str]:
        """bascule_setBaseFee: `{baseFee, blocks}`, wei for so many blocks (1); then EIP-1559 goes on."""
        fields = params.members(options, "options", frozenset({"baseFee", "blocks"}))
        base_fee = params.quantity(fields.get("baseFee"), "baseFee")
        count = params.quantity(fields.get("blocks", 1), "blocks")
        if base_fee > MAX_BASE_FEE:
            raise invalid_params(f"baseFee: at most {MAX_BASE_FEE}")
        if not 1 <= count <= MAX_BLOCKS:
            raise invalid_params(f"blocks: from 1 to {MAX_BLOCKS}")
        await self._chain.set_base_fee(base_fee, count)
        return {"baseFee": hex(base_fee), "blocks": hex(count)}

    def set_finality(self, options: object) -> dict[str, int]:
        """bascule_setFinality: `{safe, finalized}`, distances from the head in blocks; returns both."""
        fields = params.members(options, "options", frozenset({"safe", "finalized"}))
        distances = {name: params.quantity(value, name) for name, value in fields.items()}
        self._chain.set_finality(**distances)
        return dict(self._chain.distances)
