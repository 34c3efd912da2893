"""Events by which tokens say that they behave otherwise now, in the dialects of their issuers, as one table.

Every accepted token is watched for all of them: which dialect a contract speaks may change with an upgrade.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bascule.chain.bloom import may_hold
from bascule.chain.logs import Log
from bascule.domain.chain import Address, Hash
from bascule.domain.hashing import keccak

# kind: its events. FiatToken of Circle, TetherToken and TetherTokenV2, PaxosTokenV2 and V1, OpenZeppelin's
# Pausable; the proxies of EIP-1967 and their forerunners. A list's events name whom they are about, in the
# second topic or, where they do not index it, in the first word of data.
DIALECTS: dict[str, tuple[str, ...]] = {
    "paused": ("Pause()", "Paused(address)"),
    "unpaused": ("Unpause()", "Unpaused(address)"),
    "blacklisted": (
        "Blacklisted(address)", "AddedBlackList(address)", "BlockPlaced(address)", "FreezeAddress(address)",
        "AddressFrozen(address)",
    ),
    "unblacklisted": (
        "UnBlacklisted(address)", "RemovedBlackList(address)", "BlockReleased(address)",
        "UnfreezeAddress(address)", "AddressUnfrozen(address)",
    ),
    "destroyed": (
        "DestroyedBlackFunds(address,uint256)", "DestroyedBlockedFunds(address,uint256)",
        "FrozenAddressWiped(address)",
    ),
    "upgraded": ("Upgraded(address)", "BeaconUpgraded(address)", "AdminChanged(address,address)"),
    "deprecated": ("Deprecate(address)",),
    "fees_changed": ("Params(uint256,uint256)",),
}  # fmt: skip
ABOUT_SOMEBODY = frozenset({"blacklisted", "unblacklisted", "destroyed"})

_KINDS = {keccak(event.encode()): kind for kind, events in DIALECTS.items() for event in events}
_PADDING = bytes(12)


@dataclass(frozen=True, slots=True)
class Said:
    """One such event of a token."""

    log_index: int
    tx_hash: Hash
    token: Address
    kind: str
    subject: Address | None


def may_be_in(bloom: bytes, tokens: Collection[Address]) -> bool:
    """Whether one of these tokens may have said something in a block; False is certain."""
    return any(may_hold(bloom, token) for token in tokens) and any(may_hold(bloom, topic) for topic in _KINDS)


def found(logs: Sequence[Log], tokens: Collection[Address]) -> list[Said]:
    """What these tokens said, in the block's order."""
    said = []
    for log in logs:
        kind = _KINDS.get(log.topics[0]) if log.topics and log.address in tokens else None
        if kind is not None:
            subject = _subject(log) if kind in ABOUT_SOMEBODY else None
            said.append(Said(log.index, log.tx_hash, log.address, kind, subject))
    return said


def _subject(log: Log) -> Address | None:
    word = log.topics[1] if len(log.topics) > 1 else log.data[:32]
    return Address(word[12:]) if len(word) == 32 and word[:12] == _PADDING else None
