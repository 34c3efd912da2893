-- tables:

-- name: serialize_spending
-- One count of what an account asked for of a token at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('payouts of ' || %(account_id)s::text || ' ' || %(token_id)s::text, 0))

-- name: asked_since
-- What was asked for and not called off: base units of a day, and how many payouts in a window.
SELECT coalesce(sum(amount) FILTER (WHERE created_at > %(day)s), 0) AS spent,
       count(*) FILTER (WHERE created_at > %(window)s) AS in_window
  FROM payouts
 WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND token_id = %(token_id)s
   AND created_at > least(%(day)s::timestamptz, %(window)s::timestamptz) AND state NOT IN ('canceled', 'failed')

-- name: asked_of
-- What was asked for since a moment and not called off, by address: base units.
SELECT destination, sum(amount) AS amount FROM payouts
 WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND token_id = %(token_id)s
   AND destination = ANY (%(destinations)s::bytea[]) AND created_at > %(since)s AND state NOT IN ('canceled', 'failed')
 GROUP BY destination ORDER BY destination

-- name: identities_taken
-- Those of some identities that a payout owns, for ever.
SELECT identity, id FROM payouts
 WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND identity = ANY (%(identities)s::text[])
 ORDER BY identity

-- name: alike_since
-- Payouts asked for since a moment, not called off, that pay the same to the same.
SELECT p.token_id, p.destination, p.amount, min(p.id) AS id
  FROM payouts AS p JOIN unnest(%(token_ids)s::text[], %(destinations)s::bytea[], %(amounts)s::numeric[])
       AS n (token_id, destination, amount) USING (token_id, destination, amount)
 WHERE p.account_id = %(account_id)s AND p.livemode = %(livemode)s AND p.created_at > %(since)s AND p.state NOT IN ('canceled', 'failed')
 GROUP BY p.token_id, p.destination, p.amount ORDER BY id

-- name: not_payable
-- Those of some addresses that are tokens or ours on a chain.
SELECT n.address,
       EXISTS (SELECT 1 FROM tokens AS t WHERE t.chain_id = %(chain_id)s AND t.contract = n.address) AS token
  FROM unnest(%(addresses)s::bytea[]) AS n (address)
 WHERE EXISTS (SELECT 1 FROM tokens AS t WHERE t.chain_id = %(chain_id)s AND t.contract = n.address)
    OR EXISTS (SELECT 1 FROM own_addresses AS o WHERE o.chain_id = %(chain_id)s AND o.address = n.address)
    OR EXISTS (SELECT 1 FROM deposit_addresses AS d WHERE d.chain_id = %(chain_id)s AND d.address = n.address)
    OR EXISTS (SELECT 1 FROM wallets AS w WHERE w.chain_id = %(chain_id)s AND w.address = n.address)
    OR EXISTS (SELECT 1 FROM lanes AS l WHERE l.chain_id = %(chain_id)s AND l.vault = n.address)
    OR EXISTS (SELECT 1 FROM networks AS k WHERE k.chain_id = %(chain_id)s
                  AND n.address IN (k.vault, k.deposit_factory, k.forwarder, k.collector))
