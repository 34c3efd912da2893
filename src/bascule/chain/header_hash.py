"""A header's hash recomputed from its members: a node cannot bend one without bending the hash."""

import msgspec

from bascule.chain import rlp
from bascule.chain.families import NUMBERS, Family
from bascule.chain.hexes import data, number, quantity
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
    transactions: list[str] | None = None  # no hash covers their names
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
    return Hash(keccak(rlp.sequence(_member(name, text) for name, text in _covered(family, header))))


def spelled(family: Family, header: HeaderJson) -> dict[str, str]:
    """The members that the hash covers and no others, each in its one shortest lower-case spelling.

    Raises as `header_hash`.
    """
    return {
        name: quantity(number(text, method="header"))
        if name in NUMBERS
        else "0x" + data(text, method="header").hex()
        for name, text in _covered(family, header)
        if text is not None
    }


def _covered(family: Family, header: HeaderJson) -> list[tuple[str, str | None]]:
    later = [getattr(header, name) for name in family.later]
    while later and later[-1] is None:
        later.pop()
    members = [(name, getattr(header, name)) for name in family.first]
    return [*members, *zip(family.later, later, strict=False)]


def _member(name: str, text: str | None) -> bytes:
    if text is None:  # left out by its fork, with a later fork's member behind it
        return rlp.EMPTY
    if name in NUMBERS:
        return rlp.number(number(text, method="header"))
    return rlp.string(data(text, method="header"))
