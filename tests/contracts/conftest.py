"""One chain per module; each test's changes are taken back."""

from collections.abc import Iterator

import pytest

from tests.support.contracts import Chain


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain()


@pytest.fixture(autouse=True)
def taken_back(request: pytest.FixtureRequest) -> Iterator[None]:
    """Deployments of the module stand before the snapshot, so that they outlive each test."""
    chain: Chain = request.getfixturevalue("chain")
    if "stage" in request.fixturenames:
        request.getfixturevalue("stage")
    with chain.undone():
        yield
