-- What each process may do in the bridge's schemas: its group role has exactly this. Nobody may DELETE, nobody
-- but the functions may write the books, and the signer has nothing here.

REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public, ledger FROM PUBLIC;

GRANT USAGE ON SCHEMA public, ledger TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT SELECT ON ALL TABLES IN SCHEMA public, ledger TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT EXECUTE ON FUNCTION ledger.trial_balance(), ledger.verify()
    TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;

-- Secrets: columns are granted where the whole table was taken back.
REVOKE SELECT ON webhook_endpoints FROM bascule_watcher, bascule_submitter;
GRANT SELECT (id, account_id, livemode, url, enabled_events, description, state, previous_expires_at, created_at, version)
    ON webhook_endpoints TO bascule_watcher, bascule_submitter;
REVOKE SELECT ON api_keys FROM bascule_watcher, bascule_submitter, bascule_worker;
GRANT SELECT (id, account_id, kind, livemode, lookup, scopes, name, created_at, expires_at, revoked_at)
    ON api_keys TO bascule_watcher, bascule_submitter, bascule_worker;
REVOKE SELECT ON idempotency_keys FROM bascule_watcher, bascule_submitter, bascule_worker;    -- answers hold new secrets

-- All but the signer tell and are audited. Who and when in the audit are the database's to say.
GRANT INSERT (event_id, account_id, livemode, type, object_id, object_version, object, previous, request, created_at)
    ON outbox TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT (actor, action, object_id, details, request_id)
    ON audit_log TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT, UPDATE ON leases TO bascule_watcher, bascule_submitter, bascule_worker;

-- api: requests and approvals.
GRANT INSERT ON payment_intents, deposit_addresses, payouts, payout_approvals, approvers, idempotency_keys,
                webhook_endpoints, api_keys, deliveries TO bascule_api;
GRANT UPDATE ON payment_intents, payouts, webhook_endpoints TO bascule_api;
GRANT UPDATE (revoked_at, expires_at) ON api_keys TO bascule_api;
GRANT USAGE ON SEQUENCE deposit_address_number TO bascule_api;
GRANT EXECUTE ON FUNCTION ledger.post_hold(text), ledger.post_release(text) TO bascule_api;

-- watcher: the chain as we believe it, and what it means for intents.
GRANT INSERT ON blocks, transfers, cursors, openings, deposits, applications TO bascule_watcher;
GRANT UPDATE (canonical, verified) ON blocks TO bascule_watcher;
GRANT UPDATE (canonical) ON transfers TO bascule_watcher;
GRANT UPDATE ON cursors, deposits, applications, payment_intents TO bascule_watcher;
GRANT EXECUTE ON FUNCTION ledger.post_opening(text), ledger.post_deposit(text),
                          ledger.post_internal(bigint, bytea, integer) TO bascule_watcher;

-- submitter: slots and attempts, and payouts from pending on.
GRANT INSERT ON slots, slot_items, attempts TO bascule_submitter;
GRANT UPDATE ON slots, attempts, payouts TO bascule_submitter;
GRANT UPDATE (outcome) ON slot_items TO bascule_submitter;
GRANT UPDATE (next_nonce) ON wallets TO bascule_submitter;
GRANT UPDATE (next_sequence, head) ON lanes TO bascule_submitter;
GRANT EXECUTE ON FUNCTION ledger.post_release(text), ledger.post_payout(text), ledger.post_gas(bytea) TO bascule_submitter;

-- worker: what we tell, what is due, what does not add up.
GRANT INSERT ON events, event_sequences, deliveries, delivery_attempts, runs, reconciliations, breaks TO bascule_worker;
GRANT UPDATE (sequenced) ON outbox TO bascule_worker;
GRANT UPDATE ON event_sequences, deliveries, payment_intents, breaks TO bascule_worker;
GRANT UPDATE (state, version) ON webhook_endpoints TO bascule_worker;
GRANT UPDATE (finished_at) ON runs TO bascule_worker;
