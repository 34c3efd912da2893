"""The trie against the one that py-evm uses, and proofs that lie."""

import contextlib

import pytest
import rlp as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from bascule.chain import rlp, trie
from bascule.chain.trie import ProofFailed
from bascule.domain.chain import Hash
from bascule.domain.hashing import keccak

items = st.lists(st.binary(min_size=1, max_size=80), max_size=300)
nested = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=6), max_leaves=30)


def written(value: bytes | list[object]) -> bytes:
    return rlp.string(value) if isinstance(value, bytes) else rlp.sequence(map(written, value))  # type: ignore[arg-type]


@given(nested)
def test_rlp_equals_the_reference(value: bytes | list[object]) -> None:
    assert written(value) == reference.encode(value)


@given(st.integers(min_value=0, max_value=2**256))
def test_rlp_numbers_equal_the_reference(value: int) -> None:
    assert rlp.number(value) == reference.encode(value)


@given(items)
@settings(max_examples=40, deadline=None)
def test_the_root_equals_the_reference(values: list[bytes]) -> None:
    other = HexaryTrie({})
    for index, value in enumerate(values):
        other[reference.encode(index)] = value

    assert trie.root(values) == other.root_hash


@given(items.filter(bool), st.data())
@settings(max_examples=40, deadline=None)
def test_a_branch_proves_its_own_item_and_no_other(values: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(values) - 1))
    other = data.draw(st.integers(0, len(values) + 3).filter(lambda n: n != index))
    root, branch = trie.root(values), trie.branch(values, index)

    assert trie.value_at(root, index, branch) == values[index]
    with contextlib.suppress(ProofFailed):  # small items stand inside their parent's node: it proves them too
        assert trie.value_at(root, other, branch) == dict(enumerate(values)).get(other)


@given(items.filter(bool), st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_branch_proves_nothing(values: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(values) - 1))
    root, branch = trie.root(values), trie.branch(values, index)
    node = data.draw(st.integers(0, len(branch) - 1))
    place = data.draw(st.integers(0, len(branch[node]) - 1))
    bent = bytearray(branch[node])
    bent[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(ProofFailed):
        trie.value_at(root, index, [*branch[:node], bytes(bent), *branch[node + 1 :]])
    with pytest.raises(ProofFailed):
        trie.value_at(root, index, branch[:-1])
    with pytest.raises(ProofFailed):
        trie.value_at(root, index, [*branch, branch[-1]])


@given(st.lists(st.binary(max_size=90), max_size=4), st.integers(0, 300))
def test_rubbish_proves_nothing(nodes: list[bytes], index: int) -> None:
    root = Hash(bytes(32))

    with pytest.raises(ProofFailed):
        trie.value_at(root, index, nodes)


@given(nested, st.integers(0, 300))
def test_well_encoded_rubbish_under_its_own_root_is_survived(value: bytes | list[object], index: int) -> None:
    node = written(value)

    with contextlib.suppress(ProofFailed):
        trie.value_at(Hash(keccak(node)), index, [node])
