-- tables:
-- What contradicts between chain, journal, intents, payouts and what was told of them: one query per type of break.
-- Each row: subject, chain_id, token_id, livemode, amount, evidence. A search gives a part of them, by subject: those after
-- the last one of the part before, so that what stays is found however others come and go meanwhile.

-- name: take_your_time
-- The books of years are looked through once a night, not within a request.
SELECT set_config('statement_timeout', '30min', true);

-- name: unbooked_transfer
-- Final transfers of accepted tokens that came to us, or left a deposit address for nobody of ours, and that no transaction
-- books.
SELECT * FROM (
    SELECT format('%%s/%%s/%%s', t.chain_id, encode(t.block_hash, 'hex'), t.log_index) AS subject, t.chain_id, k.id AS token_id,
           NULL::boolean AS livemode, t.amount,
           jsonb_build_object('tx_hash', '0x' || encode(t.tx_hash, 'hex'), 'block_number', t.block_number,
                              'to', '0x' || encode(t.dst, 'hex'), 'from', '0x' || encode(t.src, 'hex')) AS evidence
      FROM transfers AS t
      JOIN cursors AS c ON c.chain_id = t.chain_id AND t.block_number <= c.finalized_number
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token AND k.accepted
     WHERE t.canonical AND t.amount > 0
       AND NOT EXISTS (SELECT FROM ledger.booked AS b
                        WHERE b.chain_id = t.chain_id AND b.block_hash = t.block_hash AND b.log_index = t.log_index)
       AND NOT EXISTS (SELECT FROM token_suspensions AS s WHERE s.token_id = k.id AND NOT s.settled)
       AND NOT EXISTS (SELECT FROM listed_addresses AS l WHERE l.chain_id = t.chain_id AND l.token = t.token
                                                           AND l.address IN (t.src, t.dst))
       AND (EXISTS (SELECT FROM openings AS o WHERE (o.chain_id, o.address, o.token) = (t.chain_id, t.dst, t.token)
                       AND o.block_number < t.block_number)
            OR EXISTS (SELECT FROM deposit_addresses AS d WHERE d.chain_id = t.chain_id AND d.address IN (t.src, t.dst)))
       AND NOT EXISTS (SELECT FROM deposits AS d WHERE d.token_id IS NULL AND d.chain_id = t.chain_id AND d.dst = t.dst
                          AND d.block_hash = t.block_hash AND d.log_index = t.log_index)
) AS f WHERE f.subject > %(after)s ORDER BY f.subject LIMIT %(most)s;

-- name: unknown_transfer_booked
-- Bookings of transfers that no row of the chain knows.
SELECT * FROM (
    SELECT format('%%s/%%s/%%s', b.chain_id, encode(b.block_hash, 'hex'), b.log_index) AS subject, b.chain_id,
           (SELECT min(e.token_id) FROM ledger.entry AS e WHERE e.tx_id = b.tx_id) AS token_id, NULL::boolean AS livemode,
           NULL::numeric AS amount, jsonb_build_object('transaction', b.tx_id) AS evidence
      FROM ledger.booked AS b
     WHERE NOT EXISTS (SELECT FROM transfers AS t
                        WHERE t.chain_id = b.chain_id AND t.block_hash = b.block_hash AND t.log_index = b.log_index)
) AS f WHERE f.subject > %(after)s ORDER BY f.subject LIMIT %(most)s;

-- name: orphaned_credit
-- Bookings of transfers that are not on the canonical chain, final.
SELECT * FROM (
    SELECT format('%%s/%%s/%%s', b.chain_id, encode(b.block_hash, 'hex'), b.log_index) AS subject, b.chain_id,
           (SELECT min(e.token_id) FROM ledger.entry AS e WHERE e.tx_id = b.tx_id) AS token_id, NULL::boolean AS livemode, t.amount,
           jsonb_build_object('transaction', b.tx_id, 'block_number', t.block_number, 'canonical', t.canonical,
                              'tx_hash', '0x' || encode(t.tx_hash, 'hex')) AS evidence
      FROM ledger.booked AS b
      JOIN transfers AS t ON t.chain_id = b.chain_id AND t.block_hash = b.block_hash AND t.log_index = b.log_index
      LEFT JOIN cursors AS c ON c.chain_id = t.chain_id
     WHERE (t.canonical AND t.block_number <= c.finalized_number) IS NOT TRUE
) AS f WHERE f.subject > %(after)s ORDER BY f.subject LIMIT %(most)s;

-- name: unapplied
-- Final deposits that count for nothing, with the reason.
SELECT * FROM (
    SELECT d.id AS subject, d.chain_id, d.token_id, d.livemode, d.amount, a.reason,
           jsonb_build_object('reason', a.reason, 'intent', a.intent_id, 'account', d.account_id, 'block_number', d.block_number,
                              'tx_hash', '0x' || encode(d.tx_hash, 'hex')) AS evidence
      FROM deposits AS d JOIN applications AS a ON a.deposit_id = d.id
     WHERE d.state = 'finalized' AND a.state = 'unapplied'
) AS f WHERE f.subject > %(after)s ORDER BY f.subject LIMIT %(most)s;

-- name: amount_over
-- Final deposits of which a part counts for nothing.
SELECT * FROM (
    SELECT d.id AS subject, d.chain_id, d.token_id, d.livemode, d.amount - a.amount_applied AS amount,
           jsonb_build_object('intent', a.intent_id, 'account', d.account_id, 'amount', d.amount::text,
                              'applied', a.amount_applied::text) AS evidence
      FROM deposits AS d JOIN applications AS a ON a.deposit_id = d.id
     WHERE d.state = 'finalized' AND a.state = 'applied' AND a.amount_applied < d.amount
) AS f WHERE f.subject > %(after)s ORDER BY f.subject LIMIT %(most)s;

-- name: amount_under
-- Intents that ended unpaid and have money.
SELECT * FROM (
    SELECT i.id AS subject, NULL::bigint AS chain_id, NULL AS token_id, i.livemode, NULL::numeric AS amount,
           jsonb_build_object('account', i.account_id, 'currency', i.currency, 'due', i.due::text, 'confirmed', i.confirmed::text) AS evidence
      FROM payment_intents AS i
     WHERE i.state = 'canceled' AND i.confirmed > 0
) AS f WHERE f.subject > %(after)s ORDER BY f.subject LIMIT %(most)s;

-- name: intent_drift
-- Intents that count other final money than the deposits that are applied to them brought, in 10^-18 of their currency.
SELECT * FROM (
    SELECT i.id AS subject, NULL::bigint AS chain_id, NULL AS token_id, i.livemode, NULL::numeric AS amount,
           jsonb_build_object('account', i.account_id, 'counted', i.confirmed::text, 'applied', coalesce(s.applied, 0)::text) AS evidence
      FROM payment_intents AS i
      LEFT JOIN (SELECT a.intent_id, sum(d.amount * 10::numeric ^ (18 - k.decimals)) AS applied
                   FROM applications AS a JOIN deposits AS d ON d.id = a.deposit_id AND d.state = 'finalized'
                   JOIN tokens AS k ON k.id = d.token_id
                  WHERE a.state = 'applied' OR a.state = 'refunded' AND a.amount_applied > 0 GROUP BY a.intent_id) AS s ON s.intent_id = i.id
     WHERE i.confirmed <> coalesce(s.applied, 0)
) AS f WHERE f.subject > %(after)s ORDER BY f.subject LIMIT %(most)s;

-- name: payout_not_mined
-- Payouts that have their nonce for an hour and are in no block.
SELECT * FROM (
    SELECT p.id AS subject, p.chain_id, p.token_id, p.livemode, p.amount,
           jsonb_build_object('account', p.account_id, 'nonce', s.nonce, 'wallet', '0x' || encode(s.wallet, 'hex'), 'slot', s.state) AS evidence
      FROM payouts AS p
      JOIN slot_items AS i ON i.payout_id = p.id AND i.outcome = 'open'
      JOIN slots AS s ON s.chain_id = i.chain_id AND s.wallet = i.wallet AND s.nonce = i.nonce
     WHERE p.state = 'in_transit' AND s.state IN ('reserved', 'signed', 'broadcast') AND s.created_at < now() - interval '1 hour'
) AS f WHERE f.subject > %(after)s ORDER BY f.subject LIMIT %(most)s;

-- name: payout_mined_not_posted
-- Payouts whose transaction is final for half an hour and not concluded.
SELECT * FROM (
    SELECT p.id AS subject, p.chain_id, p.token_id, p.livemode, p.amount,
           jsonb_build_object('account', p.account_id, 'tx_hash', '0x' || encode(a.tx_hash, 'hex'), 'block_number', a.block_number) AS evidence
      FROM payouts AS p
      JOIN slot_items AS i ON i.payout_id = p.id AND i.outcome = 'open'
      JOIN attempts AS a ON a.chain_id = i.chain_id AND a.wallet = i.wallet AND a.nonce = i.nonce AND a.state IN ('mined', 'final')
      JOIN cursors AS c ON c.chain_id = a.chain_id AND a.block_number <= c.finalized_number
      JOIN blocks AS b ON b.chain_id = a.chain_id AND b.hash = a.block_hash AND b.block_time < c.head_time - interval '30 minutes'
     WHERE p.state = 'in_transit'
) AS f WHERE f.subject > %(after)s ORDER BY f.subject LIMIT %(most)s;

-- name: payout_amount_mismatch
-- Paid payouts whose transfer is not exactly theirs.
SELECT * FROM (
    SELECT p.id AS subject, p.chain_id, p.token_id, p.livemode, t.amount - p.amount AS amount,
           jsonb_build_object('account', p.account_id, 'asked', p.amount::text, 'moved', t.amount::text,
                              'to', '0x' || encode(t.dst, 'hex'), 'asked_to', '0x' || encode(p.destination, 'hex')) AS evidence
      FROM payouts AS p JOIN tokens AS k ON k.id = p.token_id
      LEFT JOIN transfers AS t ON t.chain_id = p.chain_id AND t.block_hash = p.paid_block_hash AND t.log_index = p.paid_log_index
                              AND t.canonical
     WHERE p.state = 'paid'
       AND (t.token, t.src, t.dst, t.amount::numeric) IS DISTINCT FROM (k.contract, p.vault, p.destination, p.amount::numeric)
) AS f WHERE f.subject > %(after)s ORDER BY f.subject LIMIT %(most)s;

-- name: holds_differ
-- Tokens of which other money is held than what payouts that wait or are on their way ask for.
SELECT * FROM (
    SELECT k.id AS subject, k.chain_id, k.id AS token_id, NULL::boolean AS livemode, coalesce(h.held, 0) - coalesce(p.asked, 0) AS amount,
           jsonb_build_object('held', coalesce(h.held, 0)::text, 'asked', coalesce(p.asked, 0)::text) AS evidence
      FROM tokens AS k
      LEFT JOIN (SELECT a.token_id, sum(b.held_debit) AS held FROM ledger.balance AS b JOIN ledger.account AS a ON a.id = b.account_id
                  GROUP BY a.token_id) AS h ON h.token_id = k.id
      LEFT JOIN (SELECT o.token_id, sum(o.amount) AS asked FROM payouts AS o WHERE o.state IN ('pending', 'in_transit')
                  GROUP BY o.token_id) AS p ON p.token_id = k.id
     WHERE coalesce(h.held, 0) <> coalesce(p.asked, 0)
) AS f WHERE f.subject > %(after)s ORDER BY f.subject LIMIT %(most)s;

-- name: webhook_gap
-- Events that were never scheduled for an endpoint that listened before and never changed.
SELECT * FROM (
    SELECT e.id || '/' || w.id AS subject, NULL::bigint AS chain_id, NULL AS token_id, e.livemode, NULL::numeric AS amount,
           jsonb_build_object('account', e.account_id, 'event', e.id, 'endpoint', w.id, 'type', e.type) AS evidence
      FROM events AS e
      JOIN webhook_endpoints AS w ON w.account_id = e.account_id AND w.livemode = e.livemode AND w.state = 'enabled'
       AND w.version = 1 AND w.created_at < e.created_at AND w.enabled_events && ARRAY['*', e.type]
     WHERE e.type <> 'webhook_endpoint.ping'
       AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.event_id = e.id AND d.endpoint_id = w.id)
) AS f WHERE f.subject > %(after)s ORDER BY f.subject LIMIT %(most)s;

-- name: transaction_of_transfer
-- The transaction that books a transfer.
SELECT tx_id FROM ledger.booked
 WHERE chain_id = %(chain_id)s AND block_hash = %(block_hash)s AND log_index = %(log_index)s;

-- name: transaction_of_object
-- The newest transaction about a deposit since a moment; or the one that ended a payout, whenever that was.
SELECT max(x.id) AS tx_id FROM ledger.tx AS x
 WHERE x.source IN ('deposit', 'application') AND x.source_id = %(subject)s AND x.recorded_at >= %(since)s
    OR x.source = 'payout' AND x.source_id = %(subject)s
    OR x.source = 'release' AND x.source_id = (SELECT p.id || '#' || p.holds FROM payouts AS p WHERE p.id = %(subject)s);
