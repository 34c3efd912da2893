"""A process takes the open files that the system grants it, and sends no more webhooks than fit into them."""

import resource
import subprocess
import sys

import pytest

from bascule.entrypoints import doctoring
from bascule.entrypoints.wiring import Unfit, load
from bascule.services.flights import QUICK_LANE, fitting

RAISE = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 700))
from bascule.entrypoints.descriptors import raise_limit
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    said = subprocess.run([sys.executable, "-c", RAISE], check=True, capture_output=True, text=True)

    assert said.stdout.split() == ["700", "700", "700"]


@pytest.mark.parametrize(
    ("connections", "quick", "slow"),
    [(65_536, QUICK_LANE, 2_000), (2_768, QUICK_LANE, 2_000), (1_000, 244, 244), (100, 1, 1)],
)
def test_what_is_sent_at_once_fits_into_the_open_files(connections: int, quick: int, slow: int) -> None:
    assert fitting(connections, 2_000) == (quick, slow)


async def test_doctor_says_how_many_webhooks_may_be_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert hard >= 2_768, "this machine grants enough"
    settings = load({})

    assert f"webhooks: {QUICK_LANE} to quick receivers, 2000 to slow ones" in await doctoring._open_files(
        settings
    )
    monkeypatch.setattr(doctoring, "raise_limit", lambda: 1_024)
    with pytest.raises(Unfit, match="256 to slow ones, 2000 are set") as found:
        await doctoring._open_files(settings)
    assert "to 2768" in found.value.next_step
