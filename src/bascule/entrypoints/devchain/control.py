"""The methods that steer the chain: mining, time, snapshots, reorgs and finality."""

from bascule.entrypoints.devchain import encode, params
from bascule.entrypoints.devchain.chain import LocalChain
from bascule.entrypoints.devchain.errors import invalid_params

MAX_BLOCKS = 10_000


class Controls:
    """What a test does to the chain on purpose."""

    def __init__(self, chain: LocalChain) -> None:
        self._chain = chain

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
        await self._chain.mine(count, timestamp)
        return "0x0"

    def increase_time(self, seconds: object) -> int:
        """evm_increaseTime: later blocks are that many seconds later; returns the whole offset so far."""
        self._chain.time_offset += params.quantity(seconds, "seconds")
        return self._chain.time_offset

    def snapshot(self) -> str:
        """evm_snapshot."""
        return hex(self._chain.snapshot())

    async def revert(self, number: object) -> bool:
        """evm_revert."""
        return await self._chain.revert(params.quantity(number, "snapshot"))

    async def reorg(self, options: object) -> dict[str, str]:
        """bascule_reorg: `{depth, drop}`; returns the new head."""
        fields = params.members(options, "options", frozenset({"depth", "drop"}))
        if not isinstance(drop := fields.get("drop") or [], list):
            raise invalid_params("drop: a list of transaction hashes is needed")
        hashes = {params.data(tx_hash, "drop", 32) for tx_hash in drop}
        head = await self._chain.reorg(params.quantity(fields.get("depth"), "depth"), hashes)
        return {"number": hex(head.number), "hash": encode.data(head.hash)}

    def set_finality(self, options: object) -> dict[str, int]:
        """bascule_setFinality: `{safe, finalized}`, distances from the head in blocks; returns both."""
        fields = params.members(options, "options", frozenset({"safe", "finalized"}))
        distances = {name: params.quantity(value, name) for name, value in fields.items()}
        self._chain.set_finality(**distances)
        return dict(self._chain.distances)
