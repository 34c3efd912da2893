"""The pytest plugin for engineers who build on Bascule: fixtures `bridge` and `chain`.

Switch it on in your top `conftest.py` with `pytest_plugins = ["bascule.testing"]`. It is not registered by
itself, so that it costs nothing where it is not wanted; nothing heavy is imported before a fixture is used.
Guide: docs/testing/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bascule.entrypoints.testing.bridge import Bridge
    from bascule.entrypoints.testing.chain import Chain
    from bascule.entrypoints.testing.templates import Templates


@pytest.fixture(scope="session")
def bascule_templates() -> Iterator[Templates]:
    """What the tests of a session (of an xdist worker) start from; made when first needed."""
    from bascule.entrypoints.testing.templates import templates

    with templates() as made:
        yield made


@pytest.fixture
def chain(bascule_templates: Templates) -> Iterator[Chain]:
    """A local chain of the test's own, contracts deployed, accounts funded; it mines when told to."""
    with bascule_templates.chain() as made:
        yield made


@pytest.fixture
def bridge(bascule_templates: Templates, chain: Chain) -> Iterator[Bridge]:
    """A whole bridge of the test's own on `chain`: real API, database, signatures and webhooks."""
    with bascule_templates.bridge(chain) as made:
        yield made
