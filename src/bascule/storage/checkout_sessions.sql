-- tables: checkout_sessions

-- name: insert
-- A new session; nothing happens when its intent has one already.
INSERT INTO checkout_sessions (id, account_id, livemode, payment_intent_id, success_url, cancel_url, created_at)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(payment_intent_id)s, %(success_url)s, %(cancel_url)s, %(created_at)s)
ON CONFLICT (payment_intent_id) DO NOTHING;

-- name: by_ids
-- Several sessions, each with what it shows of its intent.
SELECT s.*, i.state, i.due, i.currency, i.expires_at, i.closes_at, i.client_reference_id, i.description, i.metadata, i.version
  FROM checkout_sessions AS s JOIN payment_intents AS i ON i.id = s.payment_intent_id
 WHERE s.id = ANY(%(ids)s::text[]);

-- name: of_intents
-- The sessions of some intents, in the order of the intents' ids.
SELECT id FROM checkout_sessions WHERE payment_intent_id = ANY(%(intent_ids)s::text[]) ORDER BY payment_intent_id;
