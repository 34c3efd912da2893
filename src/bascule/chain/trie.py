"""The Merkle-Patricia trie (yellow paper, appendix D): of a list, as under `receiptsRoot`, or of state.

The keys of a list are the indexes 0..n-1 in RLP, its values the items. So the root of all items proves a list
whole and unchanged, and one item's branch proves that item to anyone who has the root. The keys of state are
hashes; a branch proves there as well that a key has no value.
"""

from collections.abc import Callable, Sequence
from typing import Any

from rlp import decode  # type: ignore[import-untyped]
from rlp.exceptions import DecodingError  # type: ignore[import-untyped]

from bascule.chain import rlp
from bascule.domain.chain import Hash
from bascule.domain.hashing import keccak

EMPTY_ROOT = Hash(keccak(rlp.EMPTY))

_Pairs = Sequence[tuple[bytes, bytes]]  # (nibbles of the key, one a byte; value), sorted


class ProofFailed(ValueError):
    """The evidence does not prove what it claims; it is worth nothing."""


def root(values: Sequence[bytes]) -> Hash:
    """The root of the whole list."""
    return Hash(keccak(_node(_pairs(values), 0, {})))


def branch(values: Sequence[bytes], index: int) -> list[bytes]:
    """The encoded nodes from the root down to an item; `value_at` follows them."""
    return branches(values, [index])[0]


def branches(values: Sequence[bytes], indexes: Sequence[int]) -> list[list[bytes]]:
    """The branch of each of these items."""
    nodes: dict[bytes, bytes] = {}
    top = _node(_pairs(values), 0, nodes)
    nodes[keccak(top)] = top
    return [_passed(keccak(top), index, nodes) for index in indexes]


def _passed(digest: bytes, index: int, nodes: dict[bytes, bytes]) -> list[bytes]:
    passed: list[bytes] = []

    def fetch(digest: bytes) -> bytes:
        passed.append(nodes[digest])
        return nodes[digest]

    _follow(digest, _nibbles(rlp.number(index)), fetch)
    return passed


def value_at(root: Hash, index: int, branch: Sequence[bytes]) -> bytes:
    """The item at `index` of the list under `root`, proven by its branch. Raises: ProofFailed."""
    value = value_of(root, rlp.number(index), branch)
    if value is None:
        raise ProofFailed(f"the branch ends at another item than {index}, or where none is")
    return value


def value_of(root: Hash, key: bytes, branch: Sequence[bytes]) -> bytes | None:
    """The value of a key under `root`, proven by its branch; None where that proves that it has none.

    Raises: ProofFailed.
    """
    if root == EMPTY_ROOT and not branch:
        return None
    rest = list(reversed(branch))

    def fetch(digest: bytes) -> bytes:
        if not rest or keccak(rest[-1]) != digest:
            raise ProofFailed("a node of the branch is missing or does not hash to its parent's link")
        return rest.pop()

    value = _follow(root, _nibbles(key), fetch)
    if rest:
        raise ProofFailed("the branch has nodes that the path does not pass")
    return value


def _pairs(values: Sequence[bytes]) -> _Pairs:
    return sorted((_nibbles(rlp.number(index)), value) for index, value in enumerate(values))


def _nibbles(key: bytes) -> bytes:
    return bytes(nibble for byte in key for nibble in (byte >> 4, byte & 15))


def _node(pairs: _Pairs, depth: int, nodes: dict[bytes, bytes]) -> bytes:
    """The encoded node over `pairs`, which share their first `depth` nibbles; `nodes` gets those below it."""
    if not pairs:
        return rlp.EMPTY
    first, last = pairs[0][0], pairs[-1][0]
    if len(pairs) == 1:
        return rlp.sequence((rlp.string(_packed(first[depth:], leaf=True)), rlp.string(pairs[0][1])))
    fork = depth
    while first[fork] == last[fork]:  # sorted, and no key is a prefix of another: they differ somewhere
        fork += 1
    if fork > depth:
        path = rlp.string(_packed(first[depth:fork], leaf=False))
        return rlp.sequence((path, _link(_node(pairs, fork, nodes), nodes)))
    children = [rlp.EMPTY] * 17
    start = 0
    while start < len(pairs):
        nibble, end = pairs[start][0][depth], start
        while end < len(pairs) and pairs[end][0][depth] == nibble:
            end += 1
        children[nibble] = _link(_node(pairs[start:end], depth + 1, nodes), nodes)
        start = end
    return rlp.sequence(children)


def _link(node: bytes, nodes: dict[bytes, bytes]) -> bytes:
    """How a parent refers to a node: by its hash, or by the node itself when that is shorter."""
    if len(node) < 32:
        return node
    digest = keccak(node)
    nodes[digest] = node
    return rlp.string(digest)


def _packed(nibbles: bytes, *, leaf: bool) -> bytes:
    flag = 2 if leaf else 0
    even = bytes((flag + 1,)) + nibbles if len(nibbles) % 2 else bytes((flag, 0)) + nibbles
    return bytes(high << 4 | low for high, low in zip(even[::2], even[1::2], strict=True))


def _follow(digest: bytes, path: bytes, fetch: Callable[[bytes], bytes]) -> bytes | None:
    """The value at the end of a path (nibbles, one a byte); None where the trie ends before."""
    link: Any = digest
    while True:
        node = _decoded(fetch(link)) if isinstance(link, bytes) else link
        if len(node) == 17 and path:
            link, path = node[path[0]], path[1:]
        elif len(node) == 2:
            leaf, part = _unpacked(node[0])
            if leaf and part == path and isinstance(node[1], bytes):
                return node[1]
            if leaf or not path.startswith(part):
                return None
            link, path = node[1], path[len(part) :]
        else:
            raise ProofFailed("a node of the branch has neither 2 nor 17 members")
        if not link:
            return None


def _decoded(node: bytes) -> Any:
    try:
        members = decode(node)
    except (DecodingError, RecursionError) as error:
        raise ProofFailed(f"a node of the branch is not RLP: {error}") from None
    if isinstance(members, bytes):
        raise ProofFailed("a node of the branch is no list")
    return members


def _unpacked(packed: Any) -> tuple[bool, bytes]:
    if not isinstance(packed, bytes) or not packed or packed[0] >= 0x40:
        raise ProofFailed("a node of the branch has no path")
    nibbles = _nibbles(packed)
    return nibbles[0] >= 2, nibbles[1:] if nibbles[0] % 2 else nibbles[2:]
