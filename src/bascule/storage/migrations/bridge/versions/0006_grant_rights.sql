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
GRANT INSERT ON deposit_addresses, payout_approvals, approvers, idempotency_keys,
                webhook_endpoints, api_keys, deliveries TO bascule_api;
GRANT UPDATE ON webhook_endpoints TO bascule_api;
GRANT INSERT (id, account_id, livemode, currency, due, accepted_tokens, underpay_tolerance_bps, underpay_tolerance_abs,
              late_policy, overpay_policy, expires_at, closes_at, client_reference_id, description, metadata,
              client_secret, created_at)
    ON payment_intents TO bascule_api;
GRANT UPDATE (state, canceled_at, succeeded_at, cancellation_reason, description, metadata, version)
    ON payment_intents TO bascule_api;
GRANT INSERT (id, account_id, livemode, identity, token_id, chain_id, vault, destination, amount, state, approvals_required,
              approval_expires_at, roster_version, policy_decision, client_reference_id, description, metadata,
              requested_by, created_at)
    ON payouts TO bascule_api;
GRANT UPDATE (state, failure_code, holds, version) ON payouts TO bascule_api;
GRANT UPDATE (revoked_at, expires_at) ON api_keys TO bascule_api;
GRANT USAGE ON SEQUENCE deposit_address_number TO bascule_api;
GRANT EXECUTE ON FUNCTION ledger.post_hold(text), ledger.post_release(text) TO bascule_api;

-- It begins, approves and calls off payouts; from the reservation on they are the submitter's.
CREATE FUNCTION refuse_beyond_request() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pg_has_role(session_user, 'bascule_api', 'member') OR pg_has_role(session_user, 'bascule_submitter', 'member') THEN
        RETURN new;                                     -- another process, or the owner
    ELSIF tg_op = 'INSERT' AND new.state = 'requires_action' THEN
        RETURN new;
    ELSIF tg_op = 'UPDATE' AND new.failure_code IS NOT DISTINCT FROM old.failure_code
       AND (old.state, new.state, new.holds - old.holds) IN (('requires_action', 'pending', 1),
            ('requires_action', 'canceled', 0), ('pending', 'canceled', 0)) THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION 'payout % is not for the API to make %', new.id, new.state USING errcode = '42501';
END $$;
CREATE TRIGGER only_asks_and_approves BEFORE INSERT OR UPDATE ON payouts FOR EACH ROW EXECUTE FUNCTION refuse_beyond_request();
REVOKE EXECUTE ON FUNCTION refuse_beyond_request() FROM PUBLIC;

-- It asks for money and calls that off; whether it came is the watcher's to say.
CREATE FUNCTION refuse_beyond_cancel() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF new.state IS DISTINCT FROM old.state AND (old.state, new.state) IS DISTINCT FROM ('requires_action', 'canceled')
       AND pg_has_role(session_user, 'bascule_api', 'member') AND NOT pg_has_role(session_user, 'bascule_watcher', 'member') THEN
        RAISE EXCEPTION 'payment intent % is not for the API to make %', new.id, new.state USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER only_calls_off BEFORE UPDATE OF state ON payment_intents FOR EACH ROW EXECUTE FUNCTION refuse_beyond_cancel();
REVOKE EXECUTE ON FUNCTION refuse_beyond_cancel() FROM PUBLIC;

-- watcher: the chain as we believe it, and what it means for intents.
GRANT INSERT ON blocks, transfers, cursors, openings, deposits, applications TO bascule_watcher;
GRANT UPDATE (canonical, verified) ON blocks TO bascule_watcher;
GRANT UPDATE (canonical) ON transfers TO bascule_watcher;
GRANT UPDATE ON cursors, deposits, applications TO bascule_watcher;
GRANT UPDATE (state, received, confirmed, flags, canceled_at, succeeded_at, cancellation_reason, version)
    ON payment_intents TO bascule_watcher, bascule_worker;
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
GRANT UPDATE ON event_sequences, deliveries, breaks TO bascule_worker;
GRANT UPDATE (state, version) ON webhook_endpoints TO bascule_worker;
GRANT UPDATE (finished_at) ON runs TO bascule_worker;
