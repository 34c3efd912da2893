-- Who audits and reports reads what moved money and who decided it, and writes nothing. Named one by one: a new table is
-- nobody's to read before somebody decides it. Not here: keys and their hashes, kept answers, what signs webhooks.
GRANT USAGE ON SCHEMA public, ledger TO bascule_auditor;
GRANT SELECT ON
    ledger.account, ledger.balance, ledger.balance_transaction, ledger.balances, ledger.booked, ledger.closing, ledger.entry,
    ledger.period, ledger.tx
 TO bascule_auditor;
GRANT SELECT ON
    accounts, alembic_bridge, anchors, applications, approvers, attempts, audit_log, blocks, breaks, cursors, deposits,
    destinations, fee_versions, fees, float_proposals, flush_items, flushes, freezes, frozen_by_breaks, gas_routes, gas_top_ups,
    lanes, mandate_approvals, mandates, networks, openings, own_addresses, payout_approvals, payout_batch_approvals,
    payout_batches, payout_cancels, payout_negatives, payouts, policies, rate_readings, reconciliation_runs, reconciliations,
    recovered_payouts, seals, signer_alarms, slot_items, slots, suspended_tokens, token_suspensions, tokens, transfers,
    treasury_sources, vault_floats, wallet_gas, wallets
 TO bascule_auditor;
-- Of these all but what lets its holder act: a customer's page, a refund's claim.
DO $$
DECLARE names text; held record;
BEGIN
    FOR held IN SELECT * FROM (VALUES ('payment_intents', ARRAY['client_secret']), ('refunds', ARRAY['claim_hash'])) AS t (noun, hidden) LOOP
        SELECT string_agg(quote_ident(a.attname), ', ') INTO names FROM pg_attribute AS a
         WHERE a.attrelid = held.noun::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL (held.hidden);
        EXECUTE format('GRANT SELECT (%s) ON %I TO bascule_auditor', names, held.noun);
    END LOOP;
END $$;
