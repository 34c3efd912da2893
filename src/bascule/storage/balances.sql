-- tables:

-- name: of_account
-- What an account has in every token of its mode: booked and free, of it in reserve, on hold, not yet final, not applied.
SELECT t.id AS token_id, t.chain_id, t.contract, t.currency, t.decimals,
    coalesce(-(free.posted + free.held_debit), 0) AS available,
    coalesce(free.held_debit, 0) AS held,
    CASE WHEN kept.token_id IS NULL THEN 0  -- nothing is asked for; what is not known would be passed over by `least`
         ELSE greatest(0, least(greatest(kept.reserve::numeric, div(-(free.posted + free.held_debit) * kept.reserve_bps + 9999, 10000)),
                                coalesce(-(free.posted + free.held_debit), 0))) END AS reserved,
    coalesce(-(aside.posted + aside.held_debit), 0) AS unapplied,
    coalesce(coming.amount, 0) AS pending
FROM tokens t
JOIN networks n ON n.chain_id = t.chain_id
LEFT JOIN ledger.account fa ON fa.code = 'available:' || %(account_id)s::text AND fa.token_id = t.id
LEFT JOIN ledger.balance free ON free.account_id = fa.id
LEFT JOIN ledger.account sa ON sa.code = 'suspense:' || %(account_id)s::text AND sa.token_id = t.id
LEFT JOIN ledger.balance aside ON aside.account_id = sa.id
LEFT JOIN balance_settings kept
    ON kept.account_id = %(account_id)s AND kept.livemode = %(livemode)s AND kept.token_id = t.id
LEFT JOIN LATERAL (
    SELECT sum(d.amount) AS amount FROM deposits d
    JOIN applications a ON a.deposit_id = d.id AND a.state IN ('applied', 'accepted')
    WHERE d.account_id = %(account_id)s AND d.token_id = t.id AND d.state = 'detected'
) AS coming ON true
WHERE n.livemode = %(livemode)s AND t.accepted
ORDER BY t.chain_id, t.currency, t.contract

-- name: available
-- Base units an account may spend of a token: posted, less what is on hold.
SELECT coalesce(sum(-b.posted - b.held_debit), 0) AS amount
  FROM ledger.account AS a JOIN ledger.balance AS b ON b.account_id = a.id
 WHERE a.code = 'available:' || %(account_id)s::text AND a.token_id = %(token_id)s

-- name: grown_by
-- Accounts and tokens of which more is available by what this very transaction booked of some deposits, fees taken off, with
-- what is available now. MATERIALIZED, as it is the few transactions that lead to entries, whatever the statistics say.
WITH booked AS MATERIALIZED (
    SELECT x.id FROM ledger.tx AS x
     WHERE x.source IN ('deposit', 'application', 'fee') AND x.source_id = ANY (%(deposit_ids)s::text[])
       AND x.xid = pg_current_xact_id()
), credited AS MATERIALIZED (
    SELECT e.account_id, -sum(e.amount) AS grown
      FROM booked AS x JOIN ledger.entry AS e ON e.tx_id = x.id
     WHERE e.layer = 0 GROUP BY e.account_id HAVING sum(e.amount) < 0
)
SELECT a.owner_account AS account_id, n.livemode, t.id AS token_id, t.chain_id, t.contract, t.currency, t.decimals,
       -(b.posted + b.held_debit) AS available, c.grown
  FROM credited AS c
  JOIN ledger.account AS a ON a.id = c.account_id AND a.code = 'available:' || a.owner_account
  JOIN ledger.balance AS b ON b.account_id = a.id
  JOIN tokens AS t ON t.id = a.token_id
  JOIN networks AS n ON n.chain_id = t.chain_id
 ORDER BY a.owner_account, n.livemode, t.chain_id, t.currency, t.contract
