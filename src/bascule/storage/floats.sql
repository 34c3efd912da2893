-- tables: float_proposals, vault_floats

-- name: see
-- What a vault's chain says of a token; what was seen at a later block stays.
INSERT INTO vault_floats (chain_id, vault, token_id, balance, block_number, limit_amount, limit_window_s, limit_left, seen_at)
VALUES (%(chain_id)s, %(vault)s, %(token_id)s, %(balance)s, %(block_number)s, %(limit_amount)s, %(limit_window_s)s,
        %(limit_left)s, %(at)s)
ON CONFLICT (chain_id, vault, token_id) DO UPDATE
   SET balance = excluded.balance, block_number = excluded.block_number, limit_amount = excluded.limit_amount,
       limit_window_s = excluded.limit_window_s, limit_left = excluded.limit_left, seen_at = excluded.seen_at
 WHERE vault_floats.block_number <= excluded.block_number

-- name: say_low
-- The float became low, or is not any more; how often that changed. No row when it was said before.
UPDATE vault_floats SET low = %(low)s, changes = changes + 1
 WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND token_id = %(token_id)s AND low <> %(low)s
RETURNING changes

-- name: several
-- Whether a chain has more than one vault of ours.
SELECT coalesce((SELECT l.vault FROM lanes AS l WHERE l.chain_id = %(chain_id)s ORDER BY l.vault LIMIT 1)
             <> (SELECT l.vault FROM lanes AS l WHERE l.chain_id = %(chain_id)s ORDER BY l.vault DESC LIMIT 1), false) AS several

-- name: propose
-- The vault is to be sent this much; while a proposal is open the most is kept, and that payouts wait rather than will. One
-- that was done at this very moment is not opened again in it.
INSERT INTO float_proposals (chain_id, vault, token_id, proposed_at, amount, reason)
SELECT %(chain_id)s::bigint, %(vault)s::bytea, %(token_id)s::text, %(at)s::timestamptz, %(amount)s, %(reason)s
 WHERE NOT EXISTS (SELECT FROM float_proposals AS p
                    WHERE (p.chain_id, p.vault, p.token_id) = (%(chain_id)s::bigint, %(vault)s::bytea, %(token_id)s::text)
                      AND p.proposed_at = %(at)s::timestamptz AND p.done_at IS NOT NULL)
ON CONFLICT (chain_id, vault, token_id) WHERE done_at IS NULL
DO UPDATE SET amount = greatest(float_proposals.amount, excluded.amount),
              reason = least(float_proposals.reason, excluded.reason)
 WHERE float_proposals.amount < excluded.amount OR float_proposals.reason > excluded.reason

-- name: open
-- The tokens of a vault that are to be topped up, and why.
SELECT token_id, reason FROM float_proposals WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND done_at IS NULL
 ORDER BY token_id

-- name: settle
-- What was proposed is there, or not needed any more.
UPDATE float_proposals SET done_at = %(at)s
 WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND token_id = %(token_id)s AND done_at IS NULL

-- name: held
-- Base units of a token at one moment: booked in a vault, in its unfinished batches, in those of them of which no signed
-- bytes were kept yet and, if asked for, of approved payouts that wait. The journal knows the vaults of a chain as one:
-- while there are several, none is taken to hold more than at the final block it was seen at, less what batches of later
-- blocks paid.
SELECT CASE WHEN (SELECT l.vault FROM lanes AS l WHERE l.chain_id = %(chain_id)s ORDER BY l.vault LIMIT 1)
                 <> (SELECT l.vault FROM lanes AS l WHERE l.chain_id = %(chain_id)s ORDER BY l.vault DESC LIMIT 1)
            THEN least(j.booked, coalesce((
                SELECT f.balance - (SELECT coalesce(sum(s.total), 0)
                                      FROM slots AS s JOIN attempts AS a USING (chain_id, wallet, nonce)
                                     WHERE s.chain_id = f.chain_id AND s.vault = f.vault AND s.token = t.contract
                                       AND s.kind = 'pay' AND a.state = 'final' AND a.block_number > f.block_number)
                  FROM vault_floats AS f JOIN tokens AS t ON t.id = f.token_id
                 WHERE f.chain_id = %(chain_id)s AND f.vault = %(vault)s AND f.token_id = %(token_id)s), 0))
            ELSE j.booked END AS held, b.paying, b.unsigned,
       CASE WHEN %(waiting)s::boolean
            THEN (SELECT coalesce(sum(p.amount), 0) FROM payouts AS p
                   WHERE p.chain_id = %(chain_id)s AND p.vault = %(vault)s AND p.token_id = %(token_id)s
                     AND p.state = 'pending') END AS waiting
  FROM (SELECT coalesce(sum(b.posted), 0) AS booked
          FROM ledger.account AS a JOIN ledger.balance AS b ON b.account_id = a.id
         WHERE a.code = 'custody:vault' AND a.token_id = %(token_id)s) AS j,
       (SELECT coalesce(sum(s.total), 0) AS paying,
               coalesce(sum(s.total) FILTER (WHERE s.state = 'reserved'), 0) AS unsigned
          FROM slots AS s
         WHERE s.chain_id = %(chain_id)s AND s.vault = %(vault)s AND s.kind = 'pay' AND s.state <> 'final'
           AND s.token = (SELECT t.contract FROM tokens AS t WHERE t.id = %(token_id)s)) AS b

-- name: serialize_reserving
-- One count of a vault's float at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('float of ' || %(chain_id)s::text || ' ' || %(vault)s::bytea::text, 0))

-- name: demand
-- Base units of a token: in unfinished batches of a vault, of approved payouts that wait, given to batches since a moment.
SELECT (SELECT coalesce(sum(s.total), 0) FROM slots AS s WHERE s.chain_id = t.chain_id AND s.vault = %(vault)s
           AND s.token = t.contract AND s.kind = 'pay' AND s.state <> 'final') AS paying,
       (SELECT coalesce(sum(p.amount), 0) FROM payouts AS p WHERE p.chain_id = t.chain_id AND p.vault = %(vault)s
           AND p.token_id = t.id AND p.state = 'pending') AS waiting,
       (SELECT coalesce(sum(s.total), 0) FROM slots AS s WHERE s.chain_id = t.chain_id AND s.vault = %(vault)s
           AND s.token = t.contract AND s.kind = 'pay' AND s.created_at > %(since)s) AS given
  FROM tokens AS t WHERE t.id = %(token_id)s

-- name: vaults
-- Every accepted token in every vault that has an open lane: the proposal that is open, what comes from treasury and is not
-- final, and what the chain said last.
SELECT t.id AS token_id, t.chain_id, t.contract, t.currency, t.decimals, v.vault, p.amount AS proposed, p.proposed_at, p.reason,
       (SELECT coalesce(sum(d.amount), 0) FROM deposits AS d WHERE d.chain_id = t.chain_id AND d.dst = v.vault
           AND d.token_id = t.id AND d.kind = 'capital' AND d.state = 'detected') AS coming,
       f.limit_amount, f.limit_window_s, f.limit_left, f.seen_at
  FROM tokens AS t JOIN (SELECT DISTINCT chain_id, vault FROM lanes WHERE state = 'open') AS v USING (chain_id)
  LEFT JOIN float_proposals AS p ON p.chain_id = t.chain_id AND p.vault = v.vault AND p.token_id = t.id
                                AND p.done_at IS NULL
  LEFT JOIN vault_floats AS f ON f.chain_id = t.chain_id AND f.vault = v.vault AND f.token_id = t.id
 WHERE t.accepted ORDER BY t.chain_id, t.currency, v.vault
