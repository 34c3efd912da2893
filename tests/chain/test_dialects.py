"""Which range of blocks a node's refusal suggests, by its words."""

import pytest

from bascule.chain.dialects import suggested
from bascule.chain.errors import NodeSays, RpcError
from bascule.entrypoints.devchain.faults.words import WORDS


def refusal(client: str, says: str) -> RpcError:
    words = WORDS[client][says]
    return RpcError(method="eth_getLogs", code=words.code, message=words.message, data=words.data)


@pytest.mark.parametrize(
    ("client", "says", "first", "last", "range"),
    [
        ("alchemy", "too_many_results", 0, 10**7, (0, 0x133E71)),
        ("alchemy", "block_range", 0x1180FCA, 0x1190000, (0x1180FCA, 0x1180FD3)),
        ("infura", "too_many_results", 0xCB3D, 10**6, (0xCB3D, 0x7B737)),
        ("infura", "block_range", 5, 1_000_004, (5, 10_004)),
        ("reth", "too_many_results", 25_766_988, 25_800_000, (25_766_988, 25_775_072)),
        ("quicknode", "block_range", 7, 50_000, (7, 10_006)),
        ("drpc", "block_range", 0, 16_777_216, (0, 2_047)),
        ("publicnode", "block_range", 100, 200_000, (100, 50_099)),
        ("ankr", "block_range", 0, 9, None),
        ("base", "block_range", 0, 9, None),
        ("besu", "block_range", 0, 9, None),
    ],
)
def test_a_suggested_range_is_read_from_the_providers_words(
    client: str, says: str, first: int, last: int, range: tuple[int, int] | None
) -> None:
    assert suggested(refusal(client, says), first, last) == range


def test_a_suggestion_that_is_no_smaller_question_counts_for_nothing() -> None:
    error = refusal("reth", "too_many_results")
    assert suggested(error, 0, 10**9) is None, "it begins elsewhere"
    assert suggested(error, 25_766_988, 25_775_072) is None, "it is as large"


@pytest.mark.parametrize(
    ("says", "meaning"),
    [
        ("too_many_results", NodeSays.TOO_MANY_RESULTS),
        ("block_range", NodeSays.TOO_MANY_RESULTS),
        ("rate_limited", NodeSays.RATE_LIMITED),
        ("timed_out", NodeSays.TIMED_OUT),
    ],
)
def test_every_providers_limit_is_known_for_what_it_is(says: str, meaning: NodeSays) -> None:
    found = {client: refusal(client, says).says for client, words in WORDS.items() if says in words}
    assert found
    assert found == dict.fromkeys(found, meaning)
