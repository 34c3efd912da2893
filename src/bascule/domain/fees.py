"""What a tx offers for gas, and how much more a replacement must offer. All numbers are wei."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fees:
    """A tx's fee fields (EIP-1559) and its gas limit."""

    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    gas: int

    def __post_init__(self) -> None:
        assert 0 <= self.max_priority_fee_per_gas <= self.max_fee_per_gas, "0 <= tip <= cap"
        assert self.gas >= 21_000, "no tx costs less than 21,000 gas"

    def paid(self, gas_used: int, base_fee: int) -> int:
        """What a block with this base fee took for the gas (EIP-1559)."""
        return gas_used * min(self.max_fee_per_gas, base_fee + self.max_priority_fee_per_gas)

    def bumped(self, ceiling: int, market: "Fees | None" = None) -> "Fees | None":
        """Fees every client accepts as a replacement, or None when the ceiling forbids even the least such.

        Where the market asks for more than the least, they go there at once, at most to the ceiling.
        """
        tip, cap = bump(self.max_priority_fee_per_gas, self.max_fee_per_gas)
        if cap > ceiling:
            return None
        if market is not None:
            cap = max(cap, min(market.max_fee_per_gas, ceiling))
            tip = max(tip, min(market.max_priority_fee_per_gas, cap))
        return Fees(cap, tip, self.gas)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that is ever offered. per_gas: wei for one gas; cost: wei for a whole transaction."""

    per_gas: int
    cost: int

    def of(self, gas: int, data_fee: int = 0) -> int:
        """Wei per gas that a transaction with this gas limit may offer and stay below both.

        data_fee: wei a rollup takes for the transaction's data beside its gas; what it leaves is for gas.
        """
        return min(self.per_gas, max(0, self.cost - data_fee) // gas)


def bump(tip: int, cap: int) -> tuple[int, int]:
    """Both fees raised by 12.5 %, rounded up, and by at least 1 wei each.

    The strictest client rules the step: geth and reth ask 10 % (geth `--txpool.pricebump`), others up
    to 12.5 %; geth also wants each of the two strictly higher (core/txpool/legacypool/list.go).
    """
    return _raised(tip), _raised(cap)


def suggest(base_fee: int, tip: int, ceiling: int, *, gas: int) -> Fees:
    """Fees that stay valid while the base fee doubles, but never above the ceiling.

    A base fee rises by at most 1/8 a block (EIP-1559), so twice the base fee lasts six full blocks.
    Above the ceiling the tx waits; it is offered all the same.
    """
    cap = min(ceiling, 2 * base_fee + tip)
    return Fees(cap, min(tip, cap), gas)


def _raised(fee: int) -> int:
    return max(fee + 1, -(-fee * 9 // 8))
