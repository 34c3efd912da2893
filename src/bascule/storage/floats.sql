-- tables: float_proposals

-- name: propose
-- The vault lacks this much for what waits; the most is kept while a proposal is open.
INSERT INTO float_proposals (chain_id, vault, token_id, proposed_at, amount)
VALUES (%(chain_id)s, %(vault)s, %(token_id)s, %(at)s, %(amount)s)
ON CONFLICT (chain_id, vault, token_id) WHERE done_at IS NULL
DO UPDATE SET amount = excluded.amount WHERE float_proposals.amount < excluded.amount

-- name: open
-- The tokens of a vault that are to be topped up.
SELECT token_id FROM float_proposals WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND done_at IS NULL
 ORDER BY token_id

-- name: settle
-- What was proposed is there, or not needed any more.
UPDATE float_proposals SET done_at = %(at)s
 WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND token_id = %(token_id)s AND done_at IS NULL

-- name: demand
-- Base units of a token: booked in the vault, in unfinished batches, and of approved payouts that wait.
SELECT (SELECT coalesce(sum(b.posted), 0) FROM ledger.account AS a JOIN ledger.balance AS b ON b.account_id = a.id
         WHERE a.code = 'custody:vault' AND a.token_id = t.id) AS held,
       (SELECT coalesce(sum(s.total), 0) FROM slots AS s WHERE s.chain_id = t.chain_id AND s.vault = %(vault)s
           AND s.token = t.contract AND s.kind = 'pay' AND s.state <> 'final') AS paying,
       (SELECT coalesce(sum(p.amount), 0) FROM payouts AS p WHERE p.chain_id = t.chain_id AND p.vault = %(vault)s
           AND p.token_id = t.id AND p.state = 'pending') AS waiting
  FROM tokens AS t WHERE t.id = %(token_id)s

-- name: vaults
-- Every accepted token in every vault that has a lane, with the proposal that is open, what comes from treasury and is
-- not final, and what was given to batches since a moment.
SELECT t.id AS token_id, t.chain_id, t.contract, t.currency, t.decimals, v.vault, f.amount AS proposed, f.proposed_at,
       (SELECT coalesce(sum(d.amount), 0) FROM deposits AS d WHERE d.chain_id = t.chain_id AND d.dst = v.vault
           AND d.token_id = t.id AND d.kind = 'capital' AND d.state = 'detected') AS coming,
       (SELECT coalesce(sum(s.total), 0) FROM slots AS s WHERE s.chain_id = t.chain_id AND s.vault = v.vault
           AND s.token = t.contract AND s.kind = 'pay' AND s.created_at > %(since)s) AS given
  FROM tokens AS t JOIN (SELECT DISTINCT chain_id, vault FROM lanes) AS v USING (chain_id)
  LEFT JOIN float_proposals AS f ON f.chain_id = t.chain_id AND f.vault = v.vault AND f.token_id = t.id
                                AND f.done_at IS NULL
 WHERE t.accepted ORDER BY t.chain_id, t.currency, v.vault
