"""The block index's records: everything an answer needs, encoded once when the block is mined.

JSON stays as bytes, so an answer of ten thousand logs is a join, and a log costs about a kilobyte of memory.
"""

import msgspec


class Log(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One event of a mined transaction."""

    address: bytes
    topics: tuple[bytes, ...]
    json: bytes

    def removed_json(self) -> msgspec.Raw:
        """Returns the log as a reorg takes it back; `removed` is its last member."""
        return msgspec.Raw(self.json.removesuffix(b"false}") + b"true}")


class Transaction(msgspec.Struct, array_like=True, frozen=True):
    """One mined transaction; `receipt` is its JSON up to, and without, the `logs` member."""

    hash: bytes
    sender: bytes
    nonce: int
    raw: bytes
    tip: int
    gas_used: int
    json: bytes
    receipt: bytes
    logs: tuple[Log, ...]

    def receipt_json(self) -> msgspec.Raw:
        """Returns the whole receipt."""
        return msgspec.Raw(self.receipt + b',"logs":[' + b",".join(log.json for log in self.logs) + b"]}")


class Block(msgspec.Struct, array_like=True, frozen=True):
    """One mined block; `json` is the header's JSON up to, and without, the `transactions` member."""

    number: int
    hash: bytes
    parent: bytes
    time: int
    base_fee: int
    next_base_fee: int
    gas_used: int
    gas_limit: int
    json: bytes
    transactions: tuple[Transaction, ...]

    def block_json(self, *, full: bool) -> msgspec.Raw:
        """Returns the block with whole transactions, or with their hashes alone."""
        if full:
            members = b",".join(tx.json for tx in self.transactions)
        else:
            members = b",".join(b'"0x%s"' % tx.hash.hex().encode() for tx in self.transactions)
        return msgspec.Raw(self.json + b',"transactions":[' + members + b"]}")


class Change(msgspec.Struct, array_like=True, frozen=True):
    """One step of the chain: keep the first `keep` blocks, then append `blocks`.

    `nodes` are the state-trie nodes, code and headers that the new blocks added to the database. A reorg is
    one change, so that it is stored and seen wholly or not at all.
    """

    keep: int
    blocks: tuple[Block, ...]
    nodes: tuple[tuple[bytes, bytes], ...]
