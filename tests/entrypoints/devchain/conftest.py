"""The chain that most of these tests talk to."""

from collections.abc import AsyncIterator

import pytest

from tests.support.chain import LocalNode, local_node


@pytest.fixture
async def node() -> AsyncIterator[LocalNode]:
    async with local_node() as started:
        yield started
