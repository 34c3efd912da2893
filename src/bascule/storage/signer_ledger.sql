-- tables: signer.items, signer.slots, signer.signatures, signer.refusals

-- name: serialize_spending
-- One count of a token's spending at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended(
    'signer spending ' || %(chain_id)s::text || %(vault)s::bytea::text || %(token)s::bytea::text, 0))

-- name: slot
-- What a nonce was signed for.
SELECT kind, content FROM signer.slots
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s

-- name: insert_slot
-- The nonce is this content, for ever.
INSERT INTO signer.slots (chain_id, wallet, nonce, kind, content)
VALUES (%(chain_id)s, %(wallet)s, %(nonce)s, %(kind)s, %(content)s)

-- name: known_items
-- What is known of some payouts or some vault ids. Two look-ups, as one with OR may read the whole table.
SELECT i.payout_id, i.vault_id, i.digest, i.signed_at, i.mandate_id
  FROM unnest(%(payout_ids)s::text[]) AS n (id) JOIN signer.items AS i ON i.payout_id = n.id
 UNION
SELECT i.payout_id, i.vault_id, i.digest, i.signed_at, i.mandate_id
  FROM unnest(%(vault_ids)s::numeric[]) AS n (id)
  JOIN signer.items AS i ON i.chain_id = %(chain_id)s AND i.vault = %(vault)s AND i.vault_id = n.id

-- name: insert_items
-- The payouts are these items, for ever; the same items again change nothing, nor do ids that are taken. The ids of
-- those that are new.
INSERT INTO signer.items (payout_id, account_id, chain_id, vault, vault_id, token, amount, digest, batch_id,
                          mandate_id, signed_at)
SELECT n.payout_id, n.account_id, %(chain_id)s, %(vault)s, n.vault_id, %(token)s, n.amount, n.digest, n.batch_id,
       n.mandate_id, %(signed_at)s
  FROM unnest(%(payout_ids)s::text[], %(account_ids)s::text[], %(vault_ids)s::numeric[], %(amounts)s::numeric[],
              %(digests)s::bytea[], %(batch_ids)s::text[], %(mandate_ids)s::text[])
       AS n (payout_id, account_id, vault_id, amount, digest, batch_id, mandate_id)
ON CONFLICT DO NOTHING
RETURNING payout_id

-- name: count_again
-- Items that are signed again count from now on in the day of this signature, under the mandate it is given for.
UPDATE signer.items AS i SET signed_at = greatest(i.signed_at, %(signed_at)s), mandate_id = n.mandate_id
  FROM unnest(%(payout_ids)s::text[], %(digests)s::bytea[], %(mandate_ids)s::text[]) AS n (payout_id, digest, mandate_id)
 WHERE i.payout_id = n.payout_id AND i.digest = n.digest

-- name: spent_in_batches
-- Base units of a token signed for in some batches. In two steps, or a plan without statistics reads all of the token's.
WITH told AS MATERIALIZED (
    SELECT batch_id, chain_id, vault, token, amount FROM signer.items WHERE batch_id = ANY (%(batch_ids)s::text[])
)
SELECT batch_id, sum(amount) AS amount FROM told
 WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND token = %(token)s
 GROUP BY batch_id

-- name: spent_under
-- Base units of a token last signed for under some mandates since a moment.
SELECT mandate_id, sum(amount) AS amount FROM signer.items
 WHERE mandate_id = ANY (%(mandate_ids)s::text[]) AND chain_id = %(chain_id)s AND vault = %(vault)s
   AND token = %(token)s AND signed_at > %(since)s
 GROUP BY mandate_id

-- name: spent_since
-- Base units of a token last signed for since a moment: the whole minutes after it, and the rest of its own, whose items are
-- looked up only when it has some.
SELECT (SELECT coalesce(sum(s.amount), 0) FROM signer.spendings AS s
         WHERE s.chain_id = %(chain_id)s AND s.vault = %(vault)s AND s.token = %(token)s AND s.minute > %(since)s)
     + CASE WHEN EXISTS (
           SELECT FROM signer.spendings AS s
            WHERE s.chain_id = %(chain_id)s AND s.vault = %(vault)s AND s.token = %(token)s
              AND s.minute = date_trunc('minute', %(since)s::timestamptz, 'UTC'))
       THEN (SELECT coalesce(sum(i.amount), 0) FROM signer.items AS i
              WHERE i.chain_id = %(chain_id)s AND i.vault = %(vault)s AND i.token = %(token)s AND i.signed_at > %(since)s
                AND i.signed_at < date_trunc('minute', %(since)s::timestamptz, 'UTC') + interval '1 minute')
       ELSE 0 END AS amount

-- name: miscounted
-- The minutes since a moment whose sum is not the sum of their items.
SELECT count(*) AS minutes
  FROM (SELECT chain_id, vault, token, minute, amount FROM signer.spendings
         WHERE minute >= date_trunc('minute', %(since)s::timestamptz, 'UTC')) AS s
  FULL JOIN (SELECT chain_id, vault, token, date_trunc('minute', signed_at, 'UTC') AS minute, sum(amount) AS amount
               FROM signer.items WHERE signed_at >= date_trunc('minute', %(since)s::timestamptz, 'UTC')
              GROUP BY 1, 2, 3, 4) AS i USING (chain_id, vault, token, minute)
 WHERE coalesce(s.amount, 0) <> coalesce(i.amount, 0)

-- name: signatures
-- Every signature of a nonce, dearest first.
SELECT tx_hash, raw, max_fee_per_gas, max_priority_fee_per_gas, gas FROM signer.signatures
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s
 ORDER BY max_fee_per_gas DESC

-- name: insert_signature
-- Keeps signed bytes before they leave; a nonce at the same fees keeps what it has. No constraint is named: of two
-- inserts at once the second one may meet either, and only a conflict that names none waits for both.
INSERT INTO signer.signatures (tx_hash, chain_id, wallet, nonce, max_fee_per_gas, max_priority_fee_per_gas, gas, raw)
VALUES (%(tx_hash)s, %(chain_id)s, %(wallet)s, %(nonce)s, %(max_fee_per_gas)s, %(max_priority_fee_per_gas)s, %(gas)s,
        %(raw)s)
ON CONFLICT DO NOTHING

-- name: insert_refusal
-- A question that was refused, as it was asked; one that is asked again and again, as while money is frozen, once. Rows
-- stay for ever and a question may have a megabyte, so only the newest are looked at.
INSERT INTO signer.refusals (at, code, request)
SELECT %(at)s::timestamptz, %(code)s::text, %(request)s::jsonb
 WHERE NOT EXISTS (SELECT FROM (SELECT code, request FROM signer.refusals ORDER BY id DESC LIMIT 16) AS n
                    WHERE n.code = %(code)s AND n.request = %(request)s)
