"""The lines of a batch, each held against networks, tokens, addresses, earlier payouts, policy and balance.

Every check looks at all lines at once; a line is told one thing that is wrong with it, the first. What later
lines may still spend counts the good lines before them alone. Writes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from bascule.domain import payout_file
from bascule.domain import vault as layout
from bascule.domain.chain import Address, caip2, hex32
from bascule.domain.errors import Rejected
from bascule.domain.money import SCALE, display_units, parse_amount
from bascule.domain.network_choice import AUTO, NetworkDecision
from bascule.domain.payout_file import Line, Problem
from bascule.domain.policy import DAY
from bascule.services import mandate_rounds, network_choice, policy
from bascule.services.mandate_rounds import Allowances
from bascule.services.payout_request import (
    IDENTITY_MAX,
    Catalog,
    PayoutRequest,
    PayoutTerms,
    catalog,
    everlasting,
)
from bascule.services.policy import Bench
from bascule.storage import balances, destinations, recovered, spending
from bascule.storage.database import Connection
from bascule.storage.mandates import MandateRow
from bascule.storage.networks import Network

Payment = tuple[str, Address, int]  # token, address, base units
LEAST = 10**16  # a cent, in 10^-18 of a currency


@dataclass(frozen=True, slots=True)
class Asked:
    """A line that can be read. identity: for ever; mandate: the one it names."""

    line: Line
    terms: PayoutTerms
    identity: str
    reference: str | None
    description: str | None
    mandate: str | None

    @property
    def payment(self) -> Payment:
        return self.terms.token.id, self.terms.destination, self.terms.amount.units


@dataclass
class Checked:
    """What is left of the lines. network: that of every good line; None when there is none.

    chosen: why it is that network, where lines left it open;
    under: the mandate of each good line, by number, when mandates carry all of them; lacks: why they do not,
    when lines name some.
    """

    good: list[Asked] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    benches: dict[str, Bench] = field(default_factory=dict)
    under: dict[int, MandateRow] = field(default_factory=dict)
    lacks: list[str] = field(default_factory=list)
    chosen: NetworkDecision | None = None

    @property
    def network(self) -> Network | None:
        return self.good[0].terms.network if self.good else None

    @property
    def vault(self) -> Address | None:
        return self.good[0].terms.vault if self.good else None

    @property
    def may_sign(self) -> frozenset[Address]:
        """Who may approve every payout of the batch."""
        used = [self.benches[each.terms.token.id].may_sign for each in self.good]
        return frozenset.intersection(*used) if used else frozenset()

    @property
    def required(self) -> int:
        """How many must: as for the sum of each token, so that dividing a sum into lines lowers nothing."""
        needed = [1]
        for token_id, bench in self.benches.items():
            amounts = [e.terms.amount.to_money().units for e in self.good if e.terms.token.id == token_id]
            if bench.rules is not None and amounts:
                needed.append(bench.rules.required(sum(amounts)))
        return max(needed)

    def keep(self, wrong: dict[int, Problem]) -> None:
        """Leaves out the good lines that turned out wrong, by number."""
        self.problems += [wrong[each.line.number] for each in self.good if each.line.number in wrong]
        self.good = [each for each in self.good if each.line.number not in wrong]


async def check(
    conn: Connection,
    lines: Sequence[Line],
    *,
    account_id: str,
    livemode: bool,
    key: str,
    maker: Address | None,
    now: datetime,
    coin_prices: Mapping[int, Decimal],
) -> Checked:
    """The lines that could be paid, judged, and what is wrong with each of the others. key: the batch's;
    coin_prices: of one coin, by chain, for lines that leave the network open.
    """
    checked = Checked()
    open_ = {line.number for line in lines if line.cells.get("network") == AUTO}
    lines, checked.chosen = await _placed(conn, lines, account_id, livemode, coin_prices, now)
    known = await catalog(conn)
    book = await destinations.of_ids(conn, {str(line.cells.get("to")) for line in lines})
    entries = {
        id: entry
        for id, entry in book.items()
        if (entry.account_id, entry.livemode) == (account_id, livemode)
    }
    for line in lines:
        found = line.problem or _read(line, known, entries, livemode, key)
        if isinstance(found, Problem):
            checked.problems.append(found)
        else:
            checked.good.append(found)
    checked.keep(_elsewhere(checked.good))
    checked.keep(_twice(checked.good))
    if checked.good:
        alike = _alike(checked.good, known, open_)
        paid_in = {each.terms.token.id for each in checked.good}
        looked_at = {token_id for payments in alike.values() for token_id, _, _ in payments}
        for token_id in sorted(paid_in | looked_at):  # in one order, as locks are taken
            await spending.serialize_spending(conn, account_id, token_id)
        checked.keep(await _not_payable(conn, checked.good))
        checked.keep(await _paid_before(conn, checked.good, alike, account_id, livemode, now))
        named = {each.mandate for each in checked.good if each.mandate is not None}
        left = await mandate_rounds.allowances(conn, named, now)
        checked.keep(_not_in_mandate(checked.good, left, account_id, livemode))
        await _judge(conn, checked, account_id, livemode, maker, now)
        if any(each.mandate is not None for each in checked.good):
            _carry(checked, left)
    checked.problems.sort(key=lambda problem: problem.line)
    return checked


async def _placed(
    conn: Connection, lines: Sequence[Line], account_id: str, livemode: bool,
    coin_prices: Mapping[int, Decimal], now: datetime,
) -> tuple[Sequence[Line], NetworkDecision | None]:  # fmt: skip
    """The lines with the network of those that leave it open: the one other lines name, as a batch is of one;

    where none does, the one that pays their sums best, and why.
    """
    open_ = [line for line in lines if line.cells.get("network") == AUTO]
    named = [n for line in lines if (n := line.cells.get("network")) is not None and n != AUTO]
    chosen: NetworkDecision | None = None
    if not open_:
        return lines, None
    if named:
        network = named[0]
    else:
        try:
            chosen = await network_choice.decide_together(
                conn, _sums(open_), account_id=account_id, livemode=livemode, coin_prices=coin_prices, now=now
            )
        except Rejected as error:
            wrong = error.param, error.code, error.message
            return [replace(line, problem=line.problem or _problem(line, *wrong)) for line in lines], None
        network = caip2(chosen.chosen.chain_id)
    placed = {line.number: replace(line, cells={**line.cells, "network": network}) for line in open_}
    return [placed.get(line.number, line) for line in lines], chosen


def _sums(lines: Sequence[Line]) -> list[PayoutRequest]:
    """What lines ask for of each currency and named token; what cannot be read counts as a cent."""
    total: Counter[tuple[str, str | None]] = Counter()
    for line in lines:
        currency, amount = str(line.cells.get("currency")), line.cells.get("amount")
        try:
            total[currency, line.cells.get("token")] += parse_amount(amount, currency).units
        except Rejected:
            total[currency, line.cells.get("token")] += LEAST
    return [
        PayoutRequest(display_units(units, SCALE), currency, AUTO, None, token)
        for (currency, token), units in total.items()
    ]


def _read(
    line: Line, known: Catalog, entries: dict[str, destinations.Destination], livemode: bool, key: str
) -> Asked | Problem:
    cells = line.cells
    try:
        for name in payout_file.NEEDED:
            if name not in cells:
                raise Rejected("parameter_missing", "This cell is empty.", param=name)
        amount = cells["amount"]
        if isinstance(amount, str) and (wrong := payout_file.misspelt(amount)):
            raise Rejected(*wrong, param="amount")
        reference = cells.get("client_reference_id")
        identity = reference or f"{key}#{line.number}"
        if len(identity) > IDENTITY_MAX:
            raise Rejected("parameter_invalid", "1 to 255 characters.", param="client_reference_id")
        if len(cells.get("description", "")) > 1_000:
            raise Rejected("parameter_invalid", "At most 1000 characters.", param="description")
        request = PayoutRequest(
            amount, cells["currency"], cells["network"], cells["to"], cells.get("token"), reference
        )
        terms = known.read(request, entries, livemode=livemode)
    except Rejected as error:
        return _problem(line, error.param, error.code, error.message)
    return Asked(line, terms, identity, reference, cells.get("description"), cells.get("mandate"))


def _elsewhere(lines: Sequence[Asked]) -> dict[int, Problem]:
    """A batch is of one network: its signatures are made for one vault."""
    return {
        each.line.number: _problem(
            each.line,
            "network",
            "batch_network_mismatch",
            f"Line {lines[0].line.number} is of another network.",
        )
        for each in lines
        if each.terms.network.chain_id != lines[0].terms.network.chain_id
    }


def _twice(lines: Sequence[Asked]) -> dict[int, Problem]:
    wrong: dict[int, Problem] = {}
    by_reference: dict[str, int] = {}
    alike: dict[Payment, int] = {}
    for each in lines:
        number = each.line.number
        if each.reference is not None:
            first = by_reference.setdefault(each.reference, number)
            if first != number:
                message = f"Line {first} has the same reference."
                wrong[number] = _problem(each.line, "client_reference_id", "duplicate_reference", message)
            continue
        first = alike.setdefault(each.payment, number)
        if first != number:
            message = f"Line {first} pays the same; give each a reference if both are meant."
            wrong[number] = _problem(each.line, None, "duplicate_line", message)
    return wrong


async def _not_payable(conn: Connection, lines: Sequence[Asked]) -> dict[int, Problem]:
    chain_id = lines[0].terms.network.chain_id
    found = await spending.not_payable(conn, chain_id, {each.terms.destination for each in lines})
    told = {
        "token": ("destination_is_token_contract", "A token contract; what it receives is lost."),
        "ours": ("destination_is_ours", "One of our own addresses."),
    }
    return {
        each.line.number: _problem(each.line, "to", *told[found[each.terms.destination]])
        for each in lines
        if each.terms.destination in found
    }


def _alike(lines: Sequence[Asked], known: Catalog, open_: Collection[int]) -> dict[int, list[Payment]]:
    """What would have paid the same as each line without a reference, by number.

    Where the network was left open that is the currency on every network: which one is chosen may change.
    """
    found: dict[int, list[Payment]] = {}
    for each in lines:
        if each.reference is None:
            found[each.line.number] = [each.payment]
            if each.line.number in open_:
                found[each.line.number] += _elsewhere_alike(each, known)
    return found


def _elsewhere_alike(each: Asked, known: Catalog) -> Iterator[Payment]:
    """The same in the currency's other tokens that can hold such an amount."""
    amount = each.terms.amount.to_money()
    for token in known.tokens:
        if token.currency == each.terms.token.currency and token.id != each.terms.token.id:
            with suppress(Rejected):
                yield token.id, each.terms.destination, amount.to_token(token.asset).units


async def _paid_before(
    conn: Connection, lines: Sequence[Asked], same: Mapping[int, Sequence[Payment]], account_id: str,
    livemode: bool, now: datetime,
) -> dict[int, Problem]:  # fmt: skip
    taken = await spending.identities_taken(conn, account_id, livemode, [each.identity for each in lines])
    tags = {each.identity: layout.tag(everlasting(account_id, livemode, each.identity)) for each in lines}
    gone = await recovered.of_tags(conn, list(tags.values()))
    unnamed = {payment for each in lines for payment in same.get(each.line.number, ())}
    alike = await spending.alike_since(conn, account_id, livemode, unnamed, now - DAY)
    wrong: dict[int, Problem] = {}
    for each in lines:
        if owner := taken.get(each.identity):
            column = None if each.reference is None else "client_reference_id"
            message = f"{owner} has this identity, for ever."
            wrong[each.line.number] = _problem(each.line, column, "payout_identity_used", message)
        elif found := gone.get(tags[each.identity]):
            message = f"It was {found.outcome} in transaction {hex32(found.tx_hash)}, before a restore."
            wrong[each.line.number] = _problem(each.line, None, "payout_recovered", message)
        elif before := next((alike[one] for one in same.get(each.line.number, ()) if one in alike), None):
            message = f"{before} paid the same in the last 24 hours; give a reference if both are meant."
            wrong[each.line.number] = _problem(each.line, None, "duplicate_payout", message)
    return wrong


async def _judge(
    conn: Connection,
    checked: Checked,
    account_id: str,
    livemode: bool,
    maker: Address | None,
    now: datetime,
) -> None:
    """Policy and balance, line by line."""
    wrong: dict[int, Problem] = {}
    tokens = {each.terms.token.id: each.terms.token for each in checked.good}
    for token_id in sorted(tokens):
        lines = [each for each in checked.good if each.terms.token.id == token_id]
        bench = await policy.bench(
            conn,
            account_id=account_id,
            livemode=livemode,
            token=tokens[token_id],
            destinations={each.terms.destination for each in lines},
            maker=maker,
            now=now,
        )
        checked.benches[token_id] = bench
        wrong |= _spend(bench, lines, await balances.available(conn, account_id, token_id))
    checked.keep(wrong)


def _not_in_mandate(
    lines: Sequence[Asked], left: Allowances, account_id: str, livemode: bool
) -> dict[int, Problem]:
    wrong: dict[int, Problem] = {}
    for each in lines:
        if each.mandate is not None:
            try:
                left.fitting(each.mandate, account_id, livemode, each.terms)
            except Rejected as error:
                wrong[each.line.number] = _problem(each.line, error.param, error.code, error.message)
    return wrong


def _carry(checked: Checked, left: Allowances) -> None:
    """Nobody need sign when each line has a mandate that carries it beside the lines before it."""
    for each in checked.good:
        number, amount = each.line.number, each.terms.amount.units
        if each.mandate is None:
            checked.lacks.append(f"Line {number} names no mandate.")
            continue
        row, bench = left.rows[each.mandate], checked.benches[each.terms.token.id]
        if lacks := left.lacks(row, amount, bench.may_sign, checked.required):
            checked.lacks.append(f"Line {number}: {row.id} does not carry it: {', '.join(lacks)}.")
        else:
            left.count(row, amount)
            checked.under[number] = row
    if checked.lacks:
        checked.under.clear()


def _spend(bench: Bench, lines: Collection[Asked], left: int) -> dict[int, Problem]:
    wrong: dict[int, Problem] = {}
    for each in lines:
        decision = bench.judge(each.terms.amount, each.terms.destination).decision
        if decision.outcome == "deny":
            why = " ".join(decision.reasons)
            wrong[each.line.number] = _problem(each.line, decision.rule.param, decision.rule.code, why)
        elif each.terms.amount.units > left:
            message = "With the lines before it this is more than the account has available."
            wrong[each.line.number] = _problem(each.line, "amount", "balance_insufficient", message)
        else:
            left -= each.terms.amount.units
            bench.count(each.terms.amount, each.terms.destination)
    return wrong


def _problem(line: Line, column: str | None, code: str, message: str) -> Problem:
    value = None if column is None else line.cells.get(column)
    shown = None if value is None else payout_file.harmless(str(value))
    return Problem(line.number, column, code, message, shown)
