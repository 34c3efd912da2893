"""The chain these tests run on keeps its own time."""

from datetime import UTC, datetime, timedelta

import eth._utils.headers
import pytest

from tests.support.contracts import Chain


def test_a_chain_taken_back_travels_on_from_where_it_was(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much later it is by then: histories taken back one after the other take minutes."""
    with chain.undone():
        chain.travel(chain.now + 1)
    before = chain.now
    later = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    with monkeypatch.context() as patched:
        patched.setattr(eth._utils.headers, "eth_now", lambda: later)
        with chain.undone():
            pass
        chain.travel(before + 1)
    assert chain.now == before + 1
