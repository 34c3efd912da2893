"""What the people of an account may do: roles, and the scopes that the keys of each may carry."""

from collections.abc import Iterable, Mapping
from typing import Final

from bascule.domain.errors import Rejected

EVERYTHING: Final = "*"
OWNER: Final = "owner"
_LOOKS: Final = ("balance:read", "balance_transactions:read", "events:read", "networks:read", "tokens:read")
_BUSINESS: Final = ("payment_intents:read", "checkout_sessions:read", "deposits:read", "payouts:read",
                    "refunds:read", "invoices:read", "quotes:read", "settlements:read",
                    "reporting:read")  # fmt: skip

# Asking and approving are two roles. Who has both may still not approve what they asked for themselves.
ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    OWNER: (EVERYTHING,),
    "developer": (
        *_LOOKS, "payment_intents:write", "checkout_sessions:write", "quotes:write", "invoices:write",
        "deposits:read", "refunds:read", "payouts:read", "webhook_endpoints:write", "test_helpers:write",
        "accounts:read", "audit_log:read", "requests:read", "api_keys:write",
    ),
    "finance": (
        *_LOOKS, *_BUSINESS, "invoices:write", "refunds:write", "deposits:write", "reporting:write",
        "balance_settings:write", "settlements:write", "audit_log:read",
    ),
    "treasury_requester": (
        *_LOOKS, "payouts:write", "destinations:write", "mandates:write", "policies:read", "floats:read",
    ),
    "treasury_approver": (*_LOOKS, "payouts:approve", "payouts:read", "destinations:read", "mandates:read",
                          "policies:read"),
    "compliance": (*_LOOKS, *_BUSINESS, "screenings:write", "audit_log:read"),
    "support_readonly": (*_LOOKS, *_BUSINESS),
}  # fmt: skip
# What a publishable key may do: read what is public, and one payment whose client secret it names.
PUBLISHABLE: Final = ("networks:read", "tokens:read", "client_secrets:read")


def allows(held: Iterable[str], scope: str) -> bool:
    """Whether these scopes are enough for that one. Writing includes reading."""
    resource, _, action = scope.partition(":")
    enough = {EVERYTHING, scope, *({f"{resource}:write"} if action == "read" else set())}
    return not enough.isdisjoint(held)


def lacking(held: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Those of `wanted` that `held` does not allow; who gives a key gives no more than they have."""
    have = frozenset(held)
    return [scope for scope in wanted if not allows(have, scope)]


def scopes_of(roles: Iterable[str]) -> frozenset[str]:
    """What these roles may do together. Raises: Rejected, naming a role that does not exist."""
    found: set[str] = set()
    for place, role in enumerate(roles):
        if role not in ROLES:
            raise Rejected(
                "parameter_invalid",
                f"There is no role {role!r:.70}; there are {', '.join(ROLES)}.",
                param=f"roles.{place}",
            )
        found.update(ROLES[role])
    return frozenset(found)
