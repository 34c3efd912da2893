"""How often Transfers left out are noticed: by log indexes and bloom alone, and by the receipts' root.

A node leaves some Transfers of a block out of its logs. What reads logs (`logs.whole`) may believe the rest,
when other logs set the same bits; what proves blocks never does: the receipts without these Transfers do not
add up, and those that do tell other transfers. Less than all noticed by them is an error here, not a figure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import msgspec

from bascule.chain import block_receipts, erc20, logs, receipts_root, trie
from bascule.chain.errors import IncompleteAnswer
from bascule.chain.families import ETHEREUM
from bascule.chain.heads import Header
from bascule.chain.logs import _Log
from bascule.chain.receipts_root import ReceiptJson
from bascule.domain.chain import BlockRef, Hash
from benchmarks import _real_blocks as real
from benchmarks.harness import Figure

BLOCKS = 100  # of each size and kind, each shortened in every way
SIZES = (20, 200)
NUMBER = 20_000_000
KINDS: Mapping[str, Callable[[Random], Iterator[real.Pair]]] = {
    "every payment to an address of its own": real.distinct,
    "every second one repeats an earlier one": real.repeated,
    "eight addresses": real.few,
}


@dataclass(frozen=True)
class Way:
    """Which Transfers are left out: `choose` of their places; `anew`: the logs behind are numbered on."""

    name: str
    choose: Callable[[Random, list[int]], list[int]]
    cut: bool = False
    anew: bool = True


WAYS = (
    Way("cut off before the last Transfer", lambda _, places: places[-1:], cut=True),
    Way("cut off before the last 5", lambda _, places: places[-5:], cut=True),
    Way("1 at random, indexes kept", lambda random, places: random.sample(places, 1), anew=False),
    Way("1 at random, indexes made to fit", lambda random, places: random.sample(places, 1)),
    Way("5 at random, indexes made to fit", lambda random, places: random.sample(places, 5)),
    Way("all, indexes made to fit", lambda _, places: places),
)


@dataclass(frozen=True)
class Whole:
    """A block of the chain. told: the digest of its transfers, as proven."""

    content: real.Block
    header: Header
    told: Hash


async def run(runs: int, scale: float) -> list[Figure]:
    """Each run has blocks of its own; the same runs make the same figures."""
    blocks = max(2, round(BLOCKS * scale))
    figures, by_root = [], [list[bool]() for _ in range(runs)]
    for size in SIZES:
        for kind, pairs in KINDS.items():
            shares = dict[str, list[float]]()
            for n in range(runs):
                random = Random(f"{n} {size} {kind}")  # noqa: S311 - the same blocks again
                made = [sealed(real.block(random, size, pairs)) for _ in range(blocks)]
                for way in WAYS:
                    found = [noticed(random, block, way) for block in made]
                    shares.setdefault(way.name, []).append(percent([bloom for bloom, _ in found]))
                    by_root[n] += [root for _, root in found]
            figures += [
                Figure(f"{size} logs, {kind}: {way}", "%", tuple(each)) for way, each in shares.items()
            ]
    proven = tuple(percent(each) for each in by_root)
    if any(share < 100 for share in proven):
        raise RuntimeError(f"the receipts' root showed {min(proven)} % of what was left out")
    return [*figures, Figure("all of these, by the receipts' root", "%", proven)]


def percent(noticed: Sequence[bool]) -> float:
    """The share of those that are true."""
    return 100 * sum(noticed) / len(noticed)


def sealed(content: real.Block) -> Whole:
    """The block under its own header. Raises: RuntimeError when it is not taken as it is, whole."""
    answer = msgspec.convert(real.receipt_answer(content), list[ReceiptJson])
    root = trie.root([receipts_root.encoded(ETHEREUM, receipt) for receipt in answer])
    own = Hash(bytes.fromhex(real.HASH[2:]))
    filled = real.bloom([event for events in content for event in events])
    header = Header(BlockRef(NUMBER, own, Hash(bytes(32)), 0), filled, Hash(root), sealed=True)
    told, places = proven(header, content), range(sum(map(len, content)))
    if told is None or believed(header, content, places) != told:
        raise RuntimeError("a whole block was refused")
    return Whole(content, header, told)


def noticed(random: Random, block: Whole, way: Way) -> tuple[bool, bool]:
    """Whether it is noticed that Transfers were left out: by indexes and bloom, and by the receipts' root."""
    events = [event for each in block.content for event in each]
    transfers = [place for place, event in enumerate(events) if event.topics[0] == erc20.TRANSFER]
    gone = set(way.choose(random, transfers))
    if way.cut:
        gone = set(range(min(gone), len(events)))
    kept = [place for place in range(len(events)) if place not in gone]
    rest = real.without(block.content, gone)
    read = believed(block.header, rest, range(len(kept)) if way.anew else kept)
    return read is None, read != block.told and proven(block.header, rest) is None


def believed(header: Header, content: real.Block, places: Sequence[int]) -> Hash | None:
    """The digest of the transfers that would be read; None: refused by indexes or bloom."""
    answer = msgspec.convert(real.log_answer(content, NUMBER, places), list[_Log])
    try:
        return digest(logs.whole(header, answer))
    except IncompleteAnswer:
        return None


def proven(header: Header, content: real.Block) -> Hash | None:
    """The digest of the transfers in these receipts; None: they are not those under the header's root."""
    answer = msgspec.convert(real.receipt_answer(content), list[ReceiptJson])
    assert header.receipts_root is not None
    try:
        whole = receipts_root.require_whole(ETHEREUM, (NUMBER, header.hash), header.receipts_root, answer)
    except IncompleteAnswer:
        return None
    return digest(block_receipts.logs(whole))


def digest(told: Sequence[logs.Log]) -> Hash:
    """As the watcher compares what it read with what is proven."""
    return erc20.digest(erc20.transfers(told)[0])
