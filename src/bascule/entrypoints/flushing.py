"""What an operator said about lanes and flushes, in the words of the services that work them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from bascule.domain.fees import Ceiling
from bascule.services.flush_planner import GWEI, FlushSettings
from bascule.services.submitter import CEILING, SubmitterSettings

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import ChainSettings, Settings

COIN = 10**18  # wei of a native coin


def submitter_settings(settings: Settings, chain: ChainSettings) -> SubmitterSettings:
    """How a lane is worked, whatever it carries."""
    return SubmitterSettings(
        ceiling=Ceiling(CEILING.per_gas, int(chain.max_transaction_cost * COIN)),
        lease_seconds=settings.lease_s,
        max_base_fee=int(settings.flush_max_base_fee_gwei * GWEI),
    )


def flush_settings(settings: Settings) -> FlushSettings:
    """When a flush is worth it."""
    return FlushSettings(
        min_amount=settings.flush_min_amount,
        min_total=settings.flush_min_total,
        max_age=timedelta(seconds=settings.flush_max_age_s),
        max_base_fee=int(settings.flush_max_base_fee_gwei * GWEI),
        max_cost_bps=settings.flush_max_cost_bps,
        max_addresses=settings.flush_max_addresses,
        retry_after=timedelta(seconds=settings.flush_retry_s),
        coin_prices=dict(settings.flush_coin_prices),
    )
