"""Calling off a payout that is on its way: the vault is told never to pay its id."""

from typing import Final

from bascule.domain.vault import ITEMS_PER_WORD

# The lane `CHAIN/canceller` carries such calls; its wallet bears the same name.
LANE: Final = "canceller"
IDS_MAX = ITEMS_PER_WORD

# docs/contracts/gas.md: the first id of a fresh word takes 45,000 gas with the call; each further one takes
# less than 25,000, even in a fresh word of its own.
_GAS_OF_CALL = 60_000
_GAS_OF_ID = 30_000


def gas_limit(ids: int) -> int:
    """The gas a call for so many ids is given."""
    return _GAS_OF_CALL + _GAS_OF_ID * ids
