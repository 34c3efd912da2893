"""The table of words, and what our own reading makes of each."""

import pytest

from bascule.chain.errors import NodeSays, RpcError
from bascule.entrypoints.devchain.faults.words import WORDS
from tests.support.cases import case

# Where the table is finer than our reading.
READ_AS = {
    "block_range": NodeSays.TOO_MANY_RESULTS,
    "missing_state": NodeSays.UNKNOWN_BLOCK,
    "queue_full": NodeSays.POOL_FULL,
}


@pytest.mark.parametrize("client", WORDS)
def test_every_refusal_is_understood(client: str) -> None:
    for says, words in WORDS[client].items():
        with case(says):
            meant = READ_AS.get(says) or NodeSays(says)
            assert RpcError(method="m", code=words.code, message=words.message).says is meant
