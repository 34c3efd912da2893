"""Accounts, networks, tokens and keys over a real database, one per test."""

from collections.abc import AsyncIterator

import pytest

from bascule.services.http_sender import HttpSender
from tests.support.api import OpenAs, Shop, open_shop
from tests.support.receiver import Receiver, local_sender, receiver


@pytest.fixture
async def shop(db_as: OpenAs) -> Shop:
    """An installation with two merchants."""
    return await open_shop(db_as)


@pytest.fixture
async def merchant_server() -> AsyncIterator[Receiver]:
    """A merchant's server."""
    async with receiver() as made:
        yield made


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    """What sends webhooks, allowed to call this machine."""
    async with local_sender() as made:
        yield made
