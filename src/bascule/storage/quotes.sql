-- tables: quotes, quote_readings

-- name: insert
-- A new quote.
INSERT INTO quotes (id, account_id, livemode, fiat, amount, currency, due, price, peg_fiat, peg_price, lock_expires_at, created_at)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(fiat)s, %(amount)s, %(currency)s, %(due)s, %(price)s, %(peg_fiat)s,
        %(peg_price)s, %(lock_expires_at)s, %(created_at)s);

-- name: insert_readings
-- The prices it was made of.
INSERT INTO quote_readings (quote_id, reading_id, verdict)
SELECT %(quote_id)s, * FROM unnest(%(readings)s::bigint[], %(verdicts)s::text[]);

-- name: by_ids
-- Some quotes, each with the intent that has its amount from it.
SELECT q.id, q.account_id, q.livemode, q.fiat, q.amount, q.currency, q.due, q.price, q.peg_fiat, q.peg_price, q.lock_expires_at,
       q.created_at, i.id AS payment_intent
  FROM quotes AS q LEFT JOIN payment_intents AS i ON i.quote_id = q.id
 WHERE q.id = ANY(%(ids)s::text[]);

-- name: lock
-- Whoever else wants to use this quote waits until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended(%(id)s::text, 0)) IS NULL AS waited;

-- name: readings_of
-- The prices that some quotes were made of, as they were said.
SELECT u.quote_id, u.verdict, r.source, r.currency, r.fiat, r.asked_at, r.as_of, r.raw, r.price
  FROM quote_readings AS u JOIN rate_readings AS r ON r.id = u.reading_id
 WHERE u.quote_id = ANY(%(ids)s::text[])
 ORDER BY u.quote_id, r.fiat, r.source;
