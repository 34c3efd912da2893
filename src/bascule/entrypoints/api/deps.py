"""What the API is given by wiring, and the use-cases made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from bascule.chain.caller import Caller
from bascule.domain.rates import Rules
from bascule.domain.versions import SPOKEN, Versions
from bascule.entrypoints.api.auth import Keys
from bascule.entrypoints.api.limits import Limiter, Rates
from bascule.services.api_keys import PEPPER_MIN
from bascule.services.balance_settings import BalanceSettings
from bascule.services.checkout_sessions import CheckoutSessions
from bascule.services.choices import Choices
from bascule.services.destinations import Destinations
from bascule.services.egress import EgressRules
from bascule.services.extending import Extending
from bascule.services.facilitator import SETTLE_WAIT_S, Facilitator
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.intents import Intents
from bascule.services.invoices import Invoices
from bascule.services.key_admin import KeyAdmin
from bascule.services.mandates import Mandates
from bascule.services.member_admin import MemberAdmin
from bascule.services.outbox import Outbox
from bascule.services.payout_batches import PayoutBatches
from bascule.services.payouts import Payouts
from bascule.services.policies import Policies
from bascule.services.quotes import NO_RULES, Quotes
from bascule.services.refunds import Refunds
from bascule.services.report_runs import ReportRuns
from bascule.services.requests import RequestLog
from bascule.services.restore import LogSeen
from bascule.services.sandbox import Sandbox
from bascule.services.seams import Clock, Entropy
from bascule.services.settlements import Settlements
from bascule.services.standing_addresses import StandingAddresses
from bascule.services.webhooks import Webhooks
from bascule.storage.database import Database
from bascule.storage.idempotency import Scope

if TYPE_CHECKING:
    from prometheus_client import Histogram


@dataclass(frozen=True)
class ApiDeps:
    """Everything the API needs; wiring makes it, tests make it, nothing else is read from anywhere.

    db: opened, under the API's own login; pepper: at least 32 secret bytes; deposit_seed: at least 16,
    the same for ever; deposit_epoch: raised after a restore; allow_local_webhooks: http and loopback
    targets for test-mode endpoints (dev only); public_url: where the world reaches us, no slash at the end;
    ready_lag_s: so far behind its chain a network is not ready; coin_prices: what one coin costs, by chain;
    rates: which prices make a quote, none by default; refund_cool_off_s: between a claim and its payout;
    settlement_cool_off_s: how long a new address to settle to is not paid;
    sandbox: None wherever money may be real; in_flight: keys of requests that are worked on just now;
    streams: how many streams of events an account follows in a mode;
    answered: seconds of requests by method, route and status, where somebody measures; log_seen: how far the
    database was seen; nodes: of the chains where x402 payments are settled; settle_wait_s: how long
    that waits; versions: those of the API that are spoken.
    """

    db: Database
    clock: Clock
    entropy: Entropy
    pepper: bytes
    deposit_seed: bytes
    deposit_epoch: int = 0
    allow_local_webhooks: bool = False
    public_url: str = "http://127.0.0.1:8000"
    ready_lag_s: float = 60.0
    failpoints: Failpoints = NO_FAILPOINTS
    refund_cool_off_s: float = 86_400.0
    settlement_cool_off_s: float = 86_400.0
    sandbox: Sandbox | None = None
    coin_prices: Mapping[int, Decimal] = field(default_factory=dict)
    rates: Rules = NO_RULES
    in_flight: set[Scope] = field(default_factory=set)
    streams: Counter[tuple[str, bool]] = field(default_factory=Counter)
    answered: Histogram | None = None
    log_seen: LogSeen = field(default_factory=LogSeen)
    pace: Rates = field(default_factory=Rates)
    nodes: Mapping[int, Caller] = field(default_factory=dict)
    settle_wait_s: float = SETTLE_WAIT_S
    versions: Versions = SPOKEN

    def __post_init__(self) -> None:
        assert len(self.pepper) >= PEPPER_MIN, f"a pepper of at least {PEPPER_MIN} bytes"

    @cached_property
    def limiter(self) -> Limiter:
        """How fast each key and account has asked."""
        return Limiter(self.pace)

    @cached_property
    def keys(self) -> Keys:
        """Who asks, by their key."""
        return Keys(self.pepper)

    @cached_property
    def requests(self) -> RequestLog:
        """What was asked, until it is written."""
        return RequestLog(self.db)

    @cached_property
    def outbox(self) -> Outbox:
        """Where the use-cases tell what happened."""
        return Outbox(self.clock, self.entropy)

    @cached_property
    def report_runs(self) -> ReportRuns:
        """Use-cases on report runs."""
        return ReportRuns(self.clock, self.entropy, self.outbox)

    @cached_property
    def intents(self) -> Intents:
        """Use-cases on payment intents."""
        return Intents(
            self.clock, self.entropy, self.outbox, self.deposit_seed, self.deposit_epoch, self.log_seen
        )

    @cached_property
    def checkout_sessions(self) -> CheckoutSessions:
        """Use-cases on checkout sessions."""
        return CheckoutSessions(self.clock, self.entropy, self.intents, self.public_url)

    @cached_property
    def invoices(self) -> Invoices:
        """Use-cases on invoices."""
        return Invoices(self.clock, self.entropy, self.outbox, self.intents)

    @cached_property
    def quotes(self) -> Quotes:
        """Use-cases on quotes."""
        return Quotes(self.clock, self.entropy, self.rates)

    @cached_property
    def standing_addresses(self) -> StandingAddresses:
        """Use-cases on standing addresses."""
        return StandingAddresses(self.clock, self.deposit_seed, self.deposit_epoch, self.log_seen)

    @cached_property
    def facilitator(self) -> Facilitator:
        """Use-cases of x402."""
        return Facilitator(self.db, self.nodes, self.clock, self.entropy, self.failpoints, self.settle_wait_s)

    @cached_property
    def choices(self) -> Choices:
        """Use-cases on unapplied deposits."""
        return Choices(self.clock, self.outbox)

    @cached_property
    def payouts(self) -> Payouts:
        """Use-cases on payouts."""
        return Payouts(self.clock, self.entropy, self.outbox, self.coin_prices)

    @cached_property
    def payout_batches(self) -> PayoutBatches:
        """Use-cases on payout batches."""
        return PayoutBatches(self.clock, self.entropy, self.outbox, self.coin_prices)

    @cached_property
    def refunds(self) -> Refunds:
        """Use-cases on refunds."""
        cool_off = timedelta(seconds=self.refund_cool_off_s)
        return Refunds(self.clock, self.entropy, self.outbox, self.payouts, self.pepper, cool_off)

    @cached_property
    def balance_settings(self) -> BalanceSettings:
        """Use-cases on balance settings."""
        cool_off = timedelta(seconds=self.settlement_cool_off_s)
        return BalanceSettings(self.clock, self.outbox, cool_off)

    @cached_property
    def settlements(self) -> Settlements:
        """Use-cases on settlements."""
        return Settlements(self.clock, self.entropy, self.outbox, self.payouts)

    @cached_property
    def mandates(self) -> Mandates:
        """Use-cases on mandates."""
        return Mandates(self.clock, self.entropy, self.outbox)

    @cached_property
    def destinations(self) -> Destinations:
        """Use-cases on the address book."""
        return Destinations(self.clock, self.entropy, self.outbox)

    @cached_property
    def policies(self) -> Policies:
        """Use-cases on policies."""
        return Policies(self.clock, self.entropy)

    @cached_property
    def webhooks(self) -> Webhooks:
        """Use-cases on webhook endpoints."""
        rules = EgressRules(self.allow_local_webhooks)
        return Webhooks(self.clock, self.entropy, self.outbox, rules)

    @cached_property
    def key_admin(self) -> KeyAdmin:
        """Use-cases on API keys."""
        return KeyAdmin(self.clock, self.entropy, self.outbox, self.pepper)

    @cached_property
    def member_admin(self) -> MemberAdmin:
        """Use-cases on members."""
        return MemberAdmin(self.clock, self.entropy)

    @cached_property
    def extending(self) -> Extending:
        """More time for payment intents."""
        return Extending(self.clock, self.outbox)
