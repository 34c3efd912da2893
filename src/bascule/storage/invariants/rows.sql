-- tables:
-- Rows against the rows they belong to or wait for.

-- name: told
-- Events that lost their place, their number or a delivery to an endpoint that never changed since before them.
SELECT subject, found FROM (
    SELECT o.event_id AS subject, CASE WHEN o.sequenced THEN 'has a number and no event' ELSE 'is an event and has no number' END AS found
      FROM outbox AS o LEFT JOIN events AS e ON e.id = o.event_id WHERE o.sequenced <> (e.id IS NOT NULL)
     UNION ALL
    SELECT e.account_id, format('%%s events numbered %%s to %%s, %%s counted', count(*), min(e.account_sequence), max(e.account_sequence), s.last)
      FROM events AS e LEFT JOIN event_sequences AS s ON (s.account_id, s.livemode) = (e.account_id, e.livemode)
     WHERE e.account_sequence > coalesce(s.whole_after, 0)
     GROUP BY e.account_id, e.livemode, s.last, s.whole_after
    HAVING min(e.account_sequence) <> coalesce(s.whole_after, 0) + 1 OR max(e.account_sequence) <> coalesce(s.whole_after, 0) + count(*)
        OR s.last IS DISTINCT FROM max(e.account_sequence)
     UNION ALL
    SELECT e.id, 'was never scheduled for ' || w.id
      FROM events AS e
      JOIN webhook_endpoints AS w ON w.account_id = e.account_id AND w.livemode = e.livemode AND w.state = 'enabled'
       AND w.version = 1 AND w.created_at < e.created_at AND w.enabled_events && ARRAY['*', e.type]
     WHERE e.type <> 'webhook_endpoint.ping'
       AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.event_id = e.id AND d.endpoint_id = w.id)
) AS wrong ORDER BY subject LIMIT %(most)s

-- name: waiting
-- Rows that wait for what has happened already, so that nothing will ever move them.
SELECT subject, found FROM (
    SELECT d.id AS subject, 'is detected in a block that is final' AS found
      FROM deposits AS d JOIN cursors AS c ON c.chain_id = d.chain_id
     WHERE d.state = 'detected' AND d.block_number <= c.finalized_number
       AND NOT EXISTS (SELECT FROM token_suspensions AS s WHERE s.token_id = d.token_id AND NOT s.settled)
       AND NOT EXISTS (SELECT FROM listed_addresses AS l WHERE (l.chain_id, l.token, l.address) = (d.chain_id, d.token, d.dst))
     UNION ALL
    SELECT i.payout_id, format('is open in slot %%s, which is final', i.nonce)
      FROM slot_items AS i JOIN slots AS s ON s.chain_id = i.chain_id AND s.wallet = i.wallet AND s.nonce = i.nonce
     WHERE i.outcome = 'open' AND s.state = 'final'
     UNION ALL
    SELECT p.id, 'is in transit in no slot'
      FROM payouts AS p WHERE p.state = 'in_transit' AND NOT EXISTS (SELECT FROM slot_items AS i WHERE i.payout_id = p.id)
     UNION ALL
    SELECT f.id, 'is in transit in a slot that is final'
      FROM flushes AS f JOIN slots AS s ON s.chain_id = f.chain_id AND s.wallet = f.wallet AND s.nonce = f.nonce
     WHERE f.state = 'in_transit' AND s.state = 'final'
     UNION ALL
    SELECT d.id, 'is a payment of which nothing is decided'
      FROM deposits AS d WHERE d.kind = 'payment' AND NOT EXISTS (SELECT FROM applications AS p WHERE p.deposit_id = d.id)
     UNION ALL
    SELECT i.id, 'is open, and nobody looks when its time is over'
      FROM payment_intents AS i LEFT JOIN deadlines AS d ON d.intent_id = i.id
     WHERE i.state IN ('requires_action', 'processing')
       AND (d.due_at IS NULL OR d.due_at > CASE WHEN 'expired' = ANY (i.flags) THEN i.closes_at ELSE i.expires_at END)
     UNION ALL
    SELECT i.id, 'waits for less than finality, and nobody looks'
      FROM payment_intents AS i
     WHERE i.state = 'processing' AND i.finality <> 'finalized'
       AND NOT EXISTS (SELECT FROM early_intents AS e WHERE e.intent_id = i.id AND e.covered)
) AS wrong ORDER BY subject LIMIT %(most)s

-- name: tenants
-- Rows of one account that stand under another's, and postings to an account the money is not of.
SELECT subject, found FROM (
    SELECT d.id AS subject, 'counts for an intent of another account or mode' AS found
      FROM applications AS p JOIN deposits AS d ON d.id = p.deposit_id JOIN payment_intents AS i ON i.id = p.intent_id
     WHERE (d.account_id, d.livemode) <> (i.account_id, i.livemode)
     UNION ALL
    SELECT d.id, 'came to an address of another account'
      FROM deposits AS d JOIN deposit_addresses AS x ON x.chain_id = d.chain_id AND x.address = d.dst
     WHERE d.kind = 'payment' AND d.account_id <> x.account_id
     UNION ALL
    SELECT v.id, 'is delivered to an endpoint of another account or mode'
      FROM deliveries AS v JOIN events AS e ON e.id = v.event_id JOIN webhook_endpoints AS w ON w.id = v.endpoint_id
     WHERE (e.account_id, e.livemode) <> (w.account_id, w.livemode)
     UNION ALL
    SELECT e.id, 'is told to another account than the one it happened to'
      FROM events AS e JOIN outbox AS o ON o.event_id = e.id WHERE (e.account_id, e.livemode) <> (o.account_id, o.livemode)
     UNION ALL
    SELECT a.code || ' of ' || a.token_id, 'belongs to ' || coalesce(a.owner_account, 'nobody')
      FROM ledger.account AS a
     WHERE a.code ~ '^(available|suspense|screened):' AND a.owner_account IS DISTINCT FROM split_part(a.code, ':', 2)
) AS wrong ORDER BY subject LIMIT %(most)s
