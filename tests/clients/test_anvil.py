"""The second node is what we say it is: fresh, tagged as a real chain, and gone afterwards."""

import urllib.error

import pytest

from tests.support.anvil import anvil
from tests.support.oracle import Chain

pytestmark = pytest.mark.slow


def test_anvil_answers_as_the_pinned_version_and_is_gone_afterwards() -> None:
    with anvil() as url:
        chain = Chain(url)
        assert chain.ask("web3_clientVersion") == "anvil/v1.7.1"
        chain.ask("anvil_mine", "0x14")
        tags = ("latest", "safe", "finalized")
        assert [int(chain.ask("eth_getBlockByNumber", tag, False)["number"], 16) for tag in tags] == [
            20,
            16,
            12,
        ]

    with pytest.raises(urllib.error.URLError):
        Chain(url).ask("eth_chainId")
