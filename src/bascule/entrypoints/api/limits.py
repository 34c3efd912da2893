"""How fast a key and its account may ask. Each server process counts by itself.

Two processes let twice as much through: the settings say what one of them takes.

Rejected: a count in the database, which would write a row for each request that only reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from bascule.domain.pace import Pace
from bascule.entrypoints.api.auth import Caller
from bascule.entrypoints.api.problems import TooManyRequests

BUCKETS_MAX = 50_000
ACCOUNT_SHARE = 4  # an account may ask as fast as so many of its keys


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a second that one process takes: of a test key, a live key, and of money out; 0: no limit.

    unknown: of an address whose requests carry no key that is known.
    """

    test: int = 0
    live: int = 0
    money_out: int = 0
    unknown: int = 0


@dataclass
class Limiter:
    """The buckets of one process, by whose they are. full_at: when each is full again, in unix seconds.

    paces: what counts, by mode and by whether money goes out.
    """

    rates: Rates
    full_at: dict[str, float] = field(default_factory=dict)
    paces: dict[tuple[bool, bool], list[Pace]] = field(default_factory=dict)

    def take(self, caller: Caller, now: float, *, money_out: bool) -> list[tuple[bytes, bytes]]:
        """Takes a request from each bucket it counts in; the fields that say what is left.

        Raises: TooManyRequests, with nothing taken.
        """
        return self._take(self._counted(caller, money_out=money_out), now)

    def take_unknown(self, address: str, now: float) -> list[tuple[bytes, bytes]]:
        """As `take`, of an address that failed to say who asks; who has a key never meets this bucket.

        Known keys are not held up behind strangers, as one address may be that of a proxy before us all.
        """
        pace = [(f"{address}:unknown", Pace("address", self.rates.unknown))] if self.rates.unknown else []
        return self._take(pace, now)

    def _take(self, counted: list[tuple[str, Pace]], now: float) -> list[tuple[bytes, bytes]]:
        if not counted:
            return []
        waits = [pace.wait_s(self.full_at.get(whose, 0.0), now) for whose, pace in counted]
        full = max(waits) > 0
        if not full:
            self._forget(now)
            for whose, pace in counted:
                self.full_at[whose] = pace.taken(self.full_at.get(whose, 0.0), now)
        told = [pace.told(self.full_at[whose], now) for whose, pace in counted if whose in self.full_at]
        fields = [
            (b"ratelimit-policy", ", ".join(policy for policy, _ in told).encode()),
            (b"ratelimit", ", ".join(state for _, state in told).encode()),
        ]
        if full:
            slowest = counted[waits.index(max(waits))][1]
            raise TooManyRequests(slowest.name, ceil(max(waits)), fields)
        return fields

    def _counted(self, caller: Caller, *, money_out: bool) -> list[tuple[str, Pace]]:
        account = f"{caller.account_id}:{caller.livemode}"
        owners = {"key": caller.key_id, "account": account, "money-out": f"{account}:money_out"}
        return [(owners[pace.name], pace) for pace in self._paces(caller.livemode, money_out)]

    def _paces(self, livemode: bool, money_out: bool) -> list[Pace]:
        found = self.paces.get((livemode, money_out))
        if found is None:
            rate = self.rates.live if livemode else self.rates.test
            rates = {
                "key": rate,
                "account": rate * ACCOUNT_SHARE,
                "money-out": money_out * self.rates.money_out,
            }
            found = [Pace(name, rate) for name, rate in rates.items() if rate]
            self.paces[livemode, money_out] = found
        return found

    def _forget(self, now: float) -> None:
        """A full bucket says nothing; those who stopped asking take no memory for ever."""
        if len(self.full_at) > BUCKETS_MAX:
            self.full_at = {whose: full for whose, full in self.full_at.items() if full > now}
