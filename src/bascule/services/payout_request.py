"""What is asked for when a payout is made, read against our networks, tokens, addresses and books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bascule.domain import vault as layout
from bascule.domain.chain import ZERO_ADDRESS, Address, caip2, parse_address, parse_network
from bascule.domain.errors import Rejected
from bascule.domain.ids import Prefix
from bascule.domain.mandate import Kind
from bascule.domain.money import TokenAmount, parse_amount
from bascule.storage import destinations, networks, payouts, tokens
from bascule.storage.database import Connection
from bascule.storage.destinations import Destination
from bascule.storage.networks import Network
from bascule.storage.tokens import Token

IDENTITY_MAX = 255


def everlasting(account_id: str, livemode: bool, identity: str) -> str:
    """The identity whose hash stands in calldata, for ever."""
    return f"{account_id}:{'live' if livemode else 'test'}:{identity}"


@dataclass(frozen=True, slots=True)
class PayoutRequest:
    """The parameters as they came, of the right types.

    network: CAIP-2, or `auto` for a payout of its own; destination: an address, or wal_… of the address book;
    token: tok_…, where needed; mandate: mnd_…, under which it goes out without approvals of its own;
    reissue_of: po_…, which can never be paid; kind: what it is for, as a mandate has it. A refund or
    settlement that names no mandate goes out under one that carries it, where there is one.
    """

    amount: object
    currency: str
    network: object
    destination: object
    token: str | None = None
    client_reference_id: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    mandate: str | None = None
    reissue_of: str | None = None
    kind: Kind = "payout"


@dataclass(frozen=True, slots=True)
class PayoutTerms:
    """The request, read: what would be paid, from which vault, to whom."""

    network: Network
    vault: Address
    token: Token
    amount: TokenAmount
    destination: Address
    destination_id: str | None


@dataclass(frozen=True, slots=True)
class Catalog:
    """The networks and tokens there are; reads what names them."""

    networks: Mapping[int, Network]
    tokens: Sequence[Token]

    def read(
        self, request: PayoutRequest, entries: Mapping[str, Destination], *, livemode: bool
    ) -> PayoutTerms:
        """The terms of a request. entries: of the account's address book, by id.

        Raises: Rejected, naming the parameter at fault.
        """
        terms = self.money(request, livemode)
        to, entry = _payee(request.destination, terms.network.chain_id, entries)
        return replace(terms, destination=to, destination_id=entry)

    def money(self, request: PayoutRequest, livemode: bool) -> PayoutTerms:
        """What would be paid from where, to nobody yet: the zero address. Raises: as `read`."""
        network, token = self.asset(request.network, request.currency, request.token, livemode)
        amount = parse_amount(request.amount, token.currency).to_token(token.asset)
        layout.require_payable(amount.units)
        assert network.vault is not None, "`network` lets none without a vault through"
        return PayoutTerms(network, Address(network.vault), token, amount, ZERO_ADDRESS, None)

    def asset(
        self, network: object, currency: str, token_id: str | None, livemode: bool
    ) -> tuple[Network, Token]:
        """A token of a currency, and its network, which has a vault. Raises: as `read`."""
        found = self.network(network, livemode)
        return found, self._token(currency, token_id, found)

    def network(self, name: object, livemode: bool) -> Network:
        """The network, which has a vault to pay from. Raises: Rejected `network_unsupported`."""
        network = self.networks.get(parse_network(name))
        if network is None or network.livemode != livemode or network.vault is None:
            raise Rejected("network_unsupported", f"No payouts are made on {name!r:.60}.", param="network")
        return network

    def _token(self, currency: str, token_id: str | None, network: Network) -> Token:
        fitting = [
            token
            for token in self.tokens
            if token.chain_id == network.chain_id and token.accepted and token.currency == currency
        ]
        if token_id is not None:
            fitting = [token for token in fitting if token.id == token_id]
            if not fitting:
                raise Rejected(
                    "token_unsupported", "No such token of that currency on that network.", param="token"
                )
        if not fitting:
            raise Rejected(
                "token_unsupported", "No token of that currency on that network.", param="currency"
            )
        if len(fitting) > 1:
            raise Rejected(
                "token_ambiguous",
                "Several tokens of that currency are on that network.",
                param="token",
                next_step=f"Name one of {', '.join(token.id for token in fitting)}.",
            )
        return fitting[0]


async def catalog(conn: Connection) -> Catalog:
    """The networks and tokens as they stand."""
    found = {network.chain_id: network for network in await networks.every(conn)}
    return Catalog(found, await tokens.every(conn))


async def read_terms(
    conn: Connection, request: PayoutRequest, *, account_id: str, livemode: bool
) -> PayoutTerms:
    """Raises: Rejected, naming the parameter at fault; of the account only its address book is looked at."""
    own = await _own_entries(conn, request.destination, account_id, livemode)
    return (await catalog(conn)).read(request, own, livemode=livemode)


async def read_payee(
    conn: Connection, named: object, chain_id: int, *, account_id: str, livemode: bool
) -> tuple[Address, str | None]:
    """An address, or an entry of the account's address book with its id. Raises: Rejected, param `to`."""
    return _payee(named, chain_id, await _own_entries(conn, named, account_id, livemode))


async def _own_entries(
    conn: Connection, named: object, account_id: str, livemode: bool
) -> dict[str, Destination]:
    found = await destinations.of_ids(conn, [str(named)])
    return {
        id: each for id, each in found.items() if (each.account_id, each.livemode) == (account_id, livemode)
    }


async def read_network(conn: Connection, name: object, livemode: bool) -> Network:
    """The network, which has a vault to pay from. Raises: Rejected `network_unsupported`."""
    return (await catalog(conn)).network(name, livemode)


def _payee(named: object, chain_id: int, entries: Mapping[str, Destination]) -> tuple[Address, str | None]:
    """An address, or an entry of the address book by its id."""
    if not (isinstance(named, str) and named.startswith(f"{Prefix.DESTINATION}_")):
        return parse_address(named, param="to"), None
    entry = entries.get(named)
    if entry is None or entry.archived_at is not None:
        raise Rejected("destination_unknown", f"The address book has no {named!r:.70}.", param="to")
    if entry.chain_id != chain_id:
        raise Rejected(
            "destination_network_mismatch", f"{named} is on {caip2(entry.chain_id)}.", param="network"
        )
    return entry.address, entry.id


def read_signature(text: object) -> bytes:
    """65 bytes of 0x hex, v as 27 or 28, so that one approval has one spelling. Raises: Rejected."""
    try:
        raw = bytes.fromhex(text[2:]) if isinstance(text, str) and text[:2] == "0x" else b""
    except ValueError:
        raw = b""
    if len(raw) != 65:
        raise Rejected(
            "signature_invalid", "A signature is 0x and 130 hexadecimal digits.", param="signature"
        )
    return raw[:64] + bytes([raw[64] + 27 if raw[64] < 2 else raw[64]])


async def require_foreign(
    conn: Connection, chain_id: int, destination: Address, *, param: str = "to"
) -> None:
    """Raises: Rejected when money sent there would come back to us, or be lost in a token contract."""
    if await tokens.by_contract(conn, chain_id, destination) is not None:
        raise Rejected(
            "destination_is_token_contract",
            "The destination is a token contract; what it receives is lost.",
            param=param,
        )
    if await payouts.is_ours(conn, chain_id, destination):
        raise Rejected(
            "destination_is_ours",
            "The destination is one of our own addresses: a vault, a wallet or a deposit address.",
            param=param,
        )
