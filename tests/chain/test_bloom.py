"""The filter against one that another program computed, and against eth_bloom."""

from eth_bloom import BloomFilter
from hypothesis import given
from hypothesis import strategies as st

from bascule.chain.bloom import SIZE, bloom_of


def test_a_block_without_logs_has_an_empty_filter() -> None:
    assert bloom_of([]) == bytes(SIZE)


@given(st.lists(st.binary(min_size=20, max_size=32), max_size=30))
def test_filter_equals_the_reference_implementation(items: list[bytes]) -> None:
    reference = BloomFilter()
    for item in items:
        reference.add(item)

    assert bloom_of(items) == int(reference).to_bytes(SIZE, "big")
