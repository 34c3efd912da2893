"""What is done to a running `bascule dev` so that a process passes a boundary that business does not meet."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import LiteralString

from tests.support.authorizations import Dollar
from tests.support.kill_driver import Driver, until

Died = Callable[[], bool]
Act = Callable[[Driver, Died], None]
LIMITS = (
    "INSERT INTO signer.limits SELECT chain_id, vault, token, version + 1, {}, max_per_day, {}, max_gas, '[]'"
    " FROM signer.limits ORDER BY version DESC LIMIT 1"
)
STOP = "INSERT INTO signer.stops (scope, stopped, reason) VALUES ('all', %s, 'an act')"
# The books of one more month long ago, in which nothing happened, are closed.
A_MONTH: LiteralString = (
    "INSERT INTO ledger.period (until, since, first_tx)"
    " SELECT m + interval '1 month', m, 0"
    " FROM (SELECT coalesce(max(until), '2001-01-01Z') AS m FROM ledger.period) AS s"
)
# One like another, but for its nonce, which the payer did not sign.
UNSIGNED = (
    "INSERT INTO authorizations (id, account_id, livemode, chain_id, token_id, payer, nonce, pay_to, amount,"
    " valid_after, valid_before, signature, since_block, look_at, created_at)"
    " SELECT %s, account_id, livemode, chain_id, token_id, payer, %s, pay_to, 77, 0, %s, signature,"
    " since_block, now(), now() FROM authorizations LIMIT 1"
)
OVER = "SELECT 1 FROM authorizations WHERE id = %s AND state = 'failed'"
VAULT_LIMIT = 10_000_000 * 10**6


def opened_late(d: Driver, died: Died) -> None:
    """An address becomes ours."""
    d.sql(
        "INSERT INTO own_addresses (chain_id, address, kind) VALUES (%s, %s, 'collector')",
        d.ready["chain_id"],
        secrets.token_bytes(20),
    )
    until(died, "", within=6, required=False)


def told_early(d: Driver, died: Died) -> None:
    """An intent succeeds as soon as its payment is in a block."""
    d.sql(
        "INSERT INTO early_policies (account_id, version, most, up_to, levels)"
        " SELECT id, 1, 10 ^ 21, '{}', '{}' FROM accounts WHERE kind = 'merchant' ON CONFLICT DO NOTHING"
    )
    d.pay(d.intent(policy={"finality": "depth:0"}))
    until(died, "", within=6, required=False)


def reorganised(d: Driver, died: Died) -> None:
    """The last two blocks are replaced."""
    d.everyday()
    d.rpc("bascule_reorg", {"depth": "0x2", "drop": []})
    until(died, "", within=6, required=False)


def unpaid(d: Driver, died: Died) -> None:
    """An intent that nobody pays expires and is closed."""
    now = int(time.time())
    d.intent(expires_at=now + 6, closes_at=now + 7)  # the API may take its time
    until(died, "", within=12, required=False)


def reported(d: Driver, died: Died) -> None:
    """A report is asked for; it is made in the end."""
    interval = {"interval_start": 1_700_000_000, "interval_end": 2_000_000_000}
    asked = {"report_type": "activity", "parameters": interval}
    key = d.ready["secret_key"]
    run = d.api(key, "/v1/reporting/report_runs", asked)
    until(died, "", within=8, required=False)
    path = f"/v1/reporting/report_runs/{run['id']}"
    until(lambda: d.api(key, path)["status"] == "succeeded", "the report was not made", within=40)


def fees_too_high(d: Driver, died: Died) -> None:
    """The signer's fee cap is below what gas costs for a while."""
    _while_limited(d, died, LIMITS.format("max_per_item", "1"))


def refused_by_name(d: Driver, died: Died) -> None:
    """The signer's limit falls below a payout that is reserved, for a while."""
    d.rest()  # or the batch before stands in its way
    d.sql(STOP, True)
    _while_limited(d, died, LIMITS.format("1", "max_fee_per_gas"), reserved=True)


def _while_limited(d: Driver, died: Died, limited: str, *, reserved: bool = False) -> None:
    """reserved: everything is stopped, and goes on when the payout has a nonce and the limit stands."""
    [(per_item, fee)] = d.sql(
        "SELECT max_per_item, max_fee_per_gas FROM signer.limits ORDER BY version LIMIT 1"
    )
    if reserved:
        payout = d.payout()
        taken = "SELECT 1 FROM payouts WHERE id = %s AND state = 'in_transit'"
        until(lambda: d.sql(taken, payout) != [], "the payout to be reserved")
        d.sql(limited)
        d.sql(STOP, False)
    else:
        d.sql(limited)
        d.payout()
    until(died, "", within=6, required=False)
    d.sql(LIMITS.format(per_item, fee))
    until(lambda: not _in_transit(d), "", within=10, required=False)
    _approve_again(d)


def vault_refuses(d: Driver, died: Died) -> None:
    """The vault's limit would revert the batch for a while."""
    d.owner_calls("setLimit(address,uint96,uint32)", d.token, 1, 86_400)
    d.payout()
    until(died, "", within=6, required=False)
    d.owner_calls("setLimit(address,uint96,uint32)", d.token, VAULT_LIMIT, 86_400)


def lapsed(d: Driver, died: Died) -> None:
    """The approvals of a payout that waits are over; it is approved anew."""
    d.owner_calls("setLimit(address,uint96,uint32)", d.token, 1, 86_400)
    payout = d.payout()
    # An end in the first one's second makes the same text to sign, which both have signed. The service gives
    # none such, as it knows the end before; this hand wipes it.
    later = "SELECT 1 FROM payouts WHERE id = %s AND created_at < now() - interval '1 second'"
    until(lambda: d.sql(later, payout) != [], "a later second")
    d.sql("UPDATE payouts SET approval_expires_at = now() WHERE id = %s", payout)
    until(died, "", within=6, required=False)
    d.owner_calls("setLimit(address,uint96,uint32)", d.token, VAULT_LIMIT, 86_400)
    _approve_again(d)


def not_mined(d: Driver, died: Died) -> None:
    """Nobody mines what was sent long ago."""
    d.rpc("evm_setIntervalMining", "0x0")
    payout = d.payout()
    sent = "SELECT 1 FROM attempts WHERE state = 'offered' AND wallet IN (SELECT wallet FROM lanes)"
    if until(lambda: d.sql(sent) != [], "", within=8, required=False):
        d.sql("UPDATE attempts SET offered_at = offered_at - interval '2 minutes' WHERE state = 'offered'")
        until(died, "", within=6, required=False)
    d.rpc("evm_setIntervalMining", "0x1")
    until(lambda: d.sql("SELECT 1 FROM payouts WHERE id = %s AND state = 'paid'", payout) != [], payout)


def called_off(d: Driver, died: Died) -> None:
    """A payout is called off on its way, before anybody mines its batch; the vault never pays it."""
    d.rest()  # or the batch before stands in its way
    d.rpc("evm_setIntervalMining", "0x0")
    payout = d.payout()
    offered = (
        "SELECT '0x' || encode(a.tx_hash, 'hex')"
        " FROM attempts a JOIN slot_items i USING (chain_id, wallet, nonce)"
        " WHERE i.payout_id = %s AND a.state = 'offered'"
    )
    until(lambda: d.sql(offered, payout) != [], "the batch to be sent")
    for (tx_hash,) in d.sql(offered, payout):
        d.rpc("bascule_dropTransaction", tx_hash)
    d.api(d.ready["treasury"]["secret_key"], f"/v1/payouts/{payout}/cancel", {})
    d.payouts.remove(payout)
    reserved = "SELECT 1 FROM payout_cancels WHERE payout_id = %s AND nonce IS NOT NULL"
    until(lambda: died() or d.sql(reserved, payout) != [], "the canceller to take it up")
    d.leases_run_out()
    d.rpc("evm_setIntervalMining", "0x1")
    until(lambda: d.sql("SELECT 1 FROM payouts WHERE id = %s AND state = 'canceled'", payout) != [], payout)


def refunded(d: Driver, died: Died) -> None:
    """A customer is given a part of a payment back, at the address the claim page was told."""
    intent = d.intent()
    d.pay(intent)
    final = "SELECT 1 FROM payment_intents WHERE id = %s AND state = 'succeeded'"
    until(lambda: d.sql(final, intent["id"]) != [], "the payment to be final")
    asked = {"payment_intent": intent["id"], "amount": "1.00"}
    refund = d.api(d.ready["secret_key"], "/v1/refunds", asked)
    d.claim(refund["next_action"]["url"])
    until(died, "", within=8, required=False)
    made = "SELECT payout_id FROM refunds WHERE id = %s AND payout_id IS NOT NULL"
    until(lambda: d.sql(made, refund["id"]) != [], "the refund's payout")
    [(payout,)] = d.sql(made, refund["id"])
    d.payouts.append(payout)
    d.approve(payout)


def billed(d: Driver, died: Died) -> None:
    """An invoice is due tomorrow, and the books of a month long ago are closed."""
    d.sql(A_MONTH)
    line = {"description": "Lamp", "unit_amount": "1.00"}
    asked = {"currency": "usdc", "lines": [line], "due_at": int(time.time()) + 86_403}
    draft = d.api(d.ready["secret_key"], "/v1/invoices", asked)
    d.api(d.ready["secret_key"], f"/v1/invoices/{draft['id']}/finalize", {})
    until(died, "", within=8, required=False)
    reminded = "SELECT 1 FROM invoices WHERE id = %s AND reminded = 2"
    until(lambda: d.sql(reminded, draft["id"]) != [], "the reminder", within=20)


def settled(d: Driver, died: Died) -> None:
    """What the shop has goes to an address of its own; the due time is brought near by hand."""
    intent = d.intent()
    d.pay(intent)
    final = "SELECT 1 FROM payment_intents WHERE id = %s AND state = 'succeeded'"
    until(lambda: d.sql(final, intent["id"]) != [], "the payment to be final")
    said = {
        "network": f"eip155:{d.ready['chain_id']}", "currency": "usdc", "interval": "daily",
        "to": d.ready["funded_accounts"][-1]["address"],
    }  # fmt: skip
    d.api(d.ready["secret_key"], "/v1/balance_settings", said)
    before = d.sql("SELECT count(*) FROM settlements")
    d.sql("UPDATE balance_settings SET next_run_at = now()")
    until(died, "", within=8, required=False)
    until(lambda: d.sql("SELECT count(*) FROM settlements") != before, "the settlement", within=40)
    open_ones = "SELECT 1 FROM settlements WHERE state = 'scheduled' AND payout_id IS NULL"
    until(lambda: d.sql(open_ones) == [], "its payout", within=40)
    for (payout,) in d.sql("SELECT payout_id FROM settlements WHERE state = 'scheduled'"):
        d.payouts.append(payout)
        d.approve(payout)


def gas_left_over(d: Driver, died: Died) -> None:
    """A final attempt's fee is not in the journal: no process of today leaves one so, an older one might."""
    d.sql(
        "WITH slot AS (INSERT INTO slots (chain_id, wallet, nonce, kind, epoch, state, max_fee_per_gas,"
        " max_priority_fee_per_gas, gas)"
        " SELECT chain_id, wallet, max(nonce) + 1000, 'fill', 1, 'final', 2, 1, 21000 FROM slots"
        " WHERE wallet IN (SELECT wallet FROM lanes)"
        " GROUP BY 1, 2 RETURNING *)"
        " INSERT INTO attempts (tx_hash, chain_id, wallet, nonce, raw, max_fee_per_gas,"
        " max_priority_fee_per_gas, gas, state, block_hash, block_number, succeeded, fee_paid)"
        " SELECT sha256(s.nonce::text::bytea), a.chain_id, a.wallet, s.nonce, a.raw, 2, 1, a.gas, 'final',"
        " a.block_hash, a.block_number, true, a.fee_paid FROM slot s,"
        " (SELECT * FROM attempts WHERE state = 'final' AND fee_paid > 0"
        " AND wallet IN (SELECT wallet FROM lanes) LIMIT 1) a"
    )
    until(died, "", within=6, required=False)


def _in_transit(d: Driver) -> bool:
    return d.sql("SELECT 1 FROM payouts WHERE state = 'in_transit'") != []


def _approve_again(d: Driver) -> None:
    for (payout_id,) in d.sql("SELECT id FROM payouts WHERE state = 'requires_action'"):
        d.approve(payout_id)


def presented(d: Driver, died: Died) -> None:
    """A customer pays by a signature; beside it stands one that its token would refuse, until it is over."""
    key, mine = d.ready["funded_accounts"][0]["private_key"], d.ready["secret_key"]
    stands = d.api(mine, "/v1/standing_addresses", {"network": f"eip155:{d.ready['chain_id']}"})
    dollar = Dollar(d.ready["chain_id"], d.token, "USD Coin")
    soon = int(time.time()) + 3_600
    payment = dollar.payment(key, stands["address"], 10_000, secrets.token_bytes(32), soon)
    d.api(mine, "/x402/settle", payment)
    beside = f"aut_{secrets.token_hex(13)}"
    # By the chain's own time, which runs ahead of ours: it mines oftener than once in a second.
    now = int(d.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    d.sql(UNSIGNED, beside, secrets.token_bytes(32), now + 3_600)
    until(died, "", within=6, required=False)
    d.sql("UPDATE authorizations SET valid_before = 1 WHERE id = %s", beside)
    until(lambda: d.sql(OVER, beside) != [], "the unsigned one to be over")
    until(lambda: d.api(mine, "/x402/settle", payment)["success"], "the payment to be settled")


ACTS: Mapping[str, Act] = {
    "watcher.opening": opened_late,
    "watcher.early": told_early,
    "watcher.reorg": reorganised,
    "submitter.round": lapsed,
    "submitter.wait": vault_refuses,
    "submitter.bump": not_mined,
    "submitter.quote": fees_too_high,
    "submitter.refusal": refused_by_name,
    "submitter.gas": gas_left_over,
    "canceller.reserve": called_off,
    "signer.refusal": fees_too_high,
    "facilitator.commit": presented,
    "presenter.reserve": presented,
    "presenter.outcome": presented,
    "presenter.wait": presented,
    "claim.commit": refunded,
    "refunder.step": refunded,
    "settler.schedule": settled,
    "settler.step": settled,
    "expirer.pass": unpaid,
    "expirer.expire": unpaid,
    "expirer.close": unpaid,
    "biller.remind": billed,
    "biller.month": billed,
    "reporter.claim": reported,
    "reporter.finish": reported,
}
