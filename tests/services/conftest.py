"""Accounts, networks, tokens and keys over a real database, one per test."""

import pytest

from tests.support.api import OpenAs, Shop, open_shop


@pytest.fixture
async def shop(db_as: OpenAs) -> Shop:
    """An installation with two merchants."""
    return await open_shop(db_as)
