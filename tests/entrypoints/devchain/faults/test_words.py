"""The table of words, and what our own reading makes of each."""

import pytest

from bascule.chain.errors import NodeSays, RpcError
from bascule.entrypoints.devchain.faults.words import WORDS, Words

# Where the table is finer than our reading.
READ_AS = {
    "block_range": NodeSays.TOO_MANY_RESULTS,
    "missing_state": NodeSays.UNKNOWN_BLOCK,
    "queue_full": NodeSays.POOL_FULL,
}
EVERY = [(client, says, words) for client, known in WORDS.items() for says, words in known.items()]


@pytest.mark.parametrize(("client", "says", "words"), EVERY, ids=lambda value: str(value)[:30])
def test_every_refusal_is_understood(client: str, says: str, words: Words) -> None:
    meant = READ_AS.get(says) or NodeSays(says)

    assert RpcError(method="m", code=words.code, message=words.message).says is meant
