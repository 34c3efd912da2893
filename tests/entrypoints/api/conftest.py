"""The API over a real database, one per test."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.api import OpenAs, Shop, open_shop


@pytest.fixture
async def shop(db_as: OpenAs) -> Shop:
    """Accounts, networks, tokens and keys."""
    return await open_shop(db_as)


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the merchant's test key."""
    async with shop.client() as client:
        yield client
