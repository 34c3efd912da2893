"""The canonical chain as lookups by number, block hash and transaction hash."""

from bascule.entrypoints.devchain.records import Block, Change, Transaction


class Index:
    """Answers from memory; abandoned forks are forgotten. Owned by the event loop, never by threads."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._numbers: dict[bytes, int] = {}
        self._places: dict[bytes, tuple[int, int]] = {}

    @property
    def head(self) -> Block:
        """The newest block."""
        return self.blocks[-1]

    def apply(self, change: Change) -> tuple[Block, ...]:
        """Replaces everything from height `change.keep` on and returns the blocks that were replaced."""
        removed = tuple(self.blocks[change.keep :])
        for block in removed:
            del self._numbers[block.hash]
            for tx in block.transactions:
                del self._places[tx.hash]
        self.blocks[change.keep :] = change.blocks
        for block in change.blocks:
            self._numbers[block.hash] = block.number
            for position, tx in enumerate(block.transactions):
                self._places[tx.hash] = (block.number, position)
        return removed

    def by_number(self, number: int) -> Block | None:
        """Returns the block at that height, or None above the head."""
        return self.blocks[number] if 0 <= number < len(self.blocks) else None

    def by_hash(self, block_hash: bytes) -> Block | None:
        """Returns the canonical block with that hash."""
        number = self._numbers.get(block_hash)
        return None if number is None else self.blocks[number]

    def transaction(self, tx_hash: bytes) -> tuple[Block, int, Transaction] | None:
        """Returns a mined transaction with its block and position."""
        place = self._places.get(tx_hash)
        if place is None:
            return None
        block = self.blocks[place[0]]
        return block, place[1], block.transactions[place[1]]
