"""A header's hash recomputed from its members: a node cannot bend one without bending the hash."""

import msgspec

from bascule.chain import rlp
from bascule.chain.families import NUMBERS, Family
from bascule.chain.hexes import data, number
from bascule.domain.chain import Hash
from bascule.domain.hashing import keccak


class HeaderJson(msgspec.Struct):
    """The members of a block's JSON that are read, or that some family's hash covers.

    Of a pending block some of the first are null, which refuses it.
    """

    number: str
    hash: str
    parentHash: str
    timestamp: str
    logsBloom: str
    receiptsRoot: str
    transactions: list[str] = []
    # read for the hash alone; which of them are there depends on the family and its forks
    sha3Uncles: str | None = None
    miner: str | None = None
    stateRoot: str | None = None
    transactionsRoot: str | None = None
    difficulty: str | None = None
    gasLimit: str | None = None
    gasUsed: str | None = None
    extraData: str | None = None
    mixHash: str | None = None
    nonce: str | None = None
    baseFeePerGas: str | None = None
    withdrawalsRoot: str | None = None
    blobGasUsed: str | None = None
    excessBlobGas: str | None = None
    parentBeaconBlockRoot: str | None = None
    requestsHash: str | None = None
    blockAccessListHash: str | None = None
    slotNumber: str | None = None
    extDataHash: str | None = None
    extDataGasUsed: str | None = None
    blockGasCost: str | None = None
    timestampMilliseconds: str | None = None
    minDelayExcess: str | None = None
    targetExponent: str | None = None
    minPriceExponent: str | None = None
    settledHeight: str | None = None
    settledGasUnix: str | None = None
    settledGasNumerator: str | None = None
    settledExcess: str | None = None


def header_hash(family: Family, header: HeaderJson) -> Hash:
    """The hash of these members as the family spells them. Raises: WrongShape for one that is not hex."""
    later = [getattr(header, name) for name in family.later]
    while later and later[-1] is None:
        later.pop()
    members = [(name, getattr(header, name)) for name in family.first]
    members += zip(family.later, later, strict=False)
    return Hash(keccak(rlp.sequence(_member(name, text) for name, text in members)))


def _member(name: str, text: str | None) -> bytes:
    if text is None:  # left out by its fork, with a later fork's member behind it
        return rlp.EMPTY
    if name in NUMBERS:
        return rlp.number(number(text, method="header"))
    return rlp.string(data(text, method="header"))
