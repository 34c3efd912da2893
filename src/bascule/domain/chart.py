"""The chart of accounts: which ledger accounts there are, and how each may stand.

Debits are positive, credits negative. What we hold is an asset, what we owe is a liability.
"""

from enum import StrEnum

CUSTODY_FORWARDERS = "custody:forwarders"
CUSTODY_COLLECTOR = "custody:collector"
CUSTODY_VAULT = "custody:vault"
CUSTODY_WALLETS = "custody:wallets"
EXPENSE_GAS = "expense:gas"
EXPENSE_OUTFLOW = "expense:outflow"
INCOME_NATIVE = "income:native"
INCOME_FEES = "income:fees"

CUSTODY = (CUSTODY_FORWARDERS, CUSTODY_COLLECTOR, CUSTODY_VAULT, CUSTODY_WALLETS)

_CUSTODY_OF_KIND = {
    "vault": CUSTODY_VAULT,
    "collector": CUSTODY_COLLECTOR,
    "wallet": CUSTODY_WALLETS,
}


class Kind(StrEnum):
    """What an account is; its balance's usual sign follows."""

    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"


_KINDS = {
    "available": Kind.LIABILITY,
    "suspense": Kind.LIABILITY,
    "screened": Kind.LIABILITY,
    "custody": Kind.ASSET,
    "expense": Kind.EXPENSE,
    "income": Kind.INCOME,
}


def available(account_id: str) -> str:
    """Money the account may pay out."""
    return f"available:{account_id}"


def suspense(account_id: str) -> str:
    """Money that came to the account and counts for nothing yet."""
    return f"suspense:{account_id}"


def screened(account_id: str) -> str:
    """Money that came to the account and that screening holds."""
    return f"screened:{account_id}"


def custody_of(address_kind: str) -> str:
    """Where money at one of our own addresses is booked. address_kind: vault, collector or wallet."""
    return _CUSTODY_OF_KIND[address_kind]


def kind_of(code: str) -> Kind:
    """What the account with this code is. Raises: KeyError for a code outside the chart."""
    return _KINDS[code.partition(":")[0]]


def may_overdraw(code: str) -> bool:
    """Whether the account may stand on the other side of zero: only income and expense."""
    return kind_of(code) in (Kind.INCOME, Kind.EXPENSE)
