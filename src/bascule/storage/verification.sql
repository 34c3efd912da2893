-- tables:
-- One query per invariant: whatever contradicts it, the first wrong row first. In a sound installation each is empty.
-- They read what was written, and call no function that wrote it.

-- name: one_snapshot
-- Every check of this transaction sees the same moment, and changes nothing.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY

-- name: take_your_time
-- The books of years are read once, not within a request; to look for another order of joins takes longer than a check.
SELECT set_config('statement_timeout', '30min', true), set_config('join_collapse_limit', '1', true), set_config('from_collapse_limit', '1', true)

-- name: sums
-- What all posted and all held entries of a token sum to, where that is not zero.
SELECT e.token_id AS subject,
       format('posted entries sum to %%s, held ones to %%s', coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0),
              coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0)) AS found
  FROM ledger.entry AS e
 GROUP BY e.token_id
HAVING coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0) <> 0
    OR coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0) <> 0
 ORDER BY e.token_id LIMIT %(most)s

-- name: transactions
-- Transactions that do not balance or have no entries, and entries without their transaction or account.
SELECT subject, found FROM (
    SELECT e.tx_id AS at, 'transaction ' || e.tx_id AS subject,
           format('posted %%s, held %%s in %%s', coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0),
                  coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0), e.token_id) AS found
      FROM ledger.entry AS e
     GROUP BY e.tx_id, e.token_id
    HAVING coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0) <> 0
        OR coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0) <> 0
     UNION ALL
    SELECT t.id, 'transaction ' || t.id, 'has no entries'
      FROM ledger.tx AS t WHERE NOT EXISTS (SELECT FROM ledger.entry AS e WHERE e.tx_id = t.id)
     UNION ALL
    SELECT e.tx_id, format('entry %%s/%%s', e.tx_id, e.seq), 'belongs to no transaction'
      FROM ledger.entry AS e WHERE NOT EXISTS (SELECT FROM ledger.tx AS t WHERE t.id = e.tx_id)
     UNION ALL
    SELECT e.tx_id, format('entry %%s/%%s', e.tx_id, e.seq), format('account %%s is not one of %%s', e.account_id, e.token_id)
      FROM ledger.entry AS e
     WHERE NOT EXISTS (SELECT FROM ledger.account AS a WHERE a.id = e.account_id AND a.token_id = e.token_id)
) AS wrong ORDER BY at, subject LIMIT %(most)s

-- name: balances
-- Accounts whose balance is missing or is not the sum of their entries, layer by layer.
SELECT format('%%s of %%s', a.code, a.token_id) AS subject,
       format('balance %%s/%%s/%%s, entries %%s/%%s/%%s', b.posted, b.held_debit, b.held_credit,
              coalesce(s.posted, 0), coalesce(s.held_debit, 0), coalesce(s.held_credit, 0)) AS found
  FROM ledger.account AS a
  LEFT JOIN ledger.balance AS b ON b.account_id = a.id
  LEFT JOIN (SELECT e.account_id, coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0) AS posted,
                    coalesce(sum(e.amount) FILTER (WHERE e.layer = 1), 0) AS held_debit,
                    coalesce(sum(e.amount) FILTER (WHERE e.layer = 2), 0) AS held_credit
               FROM ledger.entry AS e GROUP BY e.account_id) AS s ON s.account_id = a.id
 WHERE (b.posted, b.held_debit, b.held_credit)
       IS DISTINCT FROM (coalesce(s.posted, 0), coalesce(s.held_debit, 0), coalesce(s.held_credit, 0))
 ORDER BY a.id LIMIT %(most)s

-- name: closings
-- Accounts that a closed period has at something else than the period before it and what became effective since.
SELECT format('%%s of %%s', a.code, a.token_id) AS subject, format('closed until %%s with %%s too much', w.until, w.wrong) AS found
  FROM (SELECT s.until, s.account_id, sum(s.posted) AS wrong
          FROM (SELECT c.until, c.account_id, c.posted FROM ledger.closing AS c
                 UNION ALL
                SELECT n.until, c.account_id, -c.posted FROM ledger.closing AS c JOIN ledger.period AS n ON n.since = c.until
                 UNION ALL
                SELECT (SELECT min(p.until) FROM ledger.period AS p WHERE p.until > t.effective_at), e.account_id, -e.amount
                  FROM ledger.entry AS e JOIN ledger.tx AS t ON t.id = e.tx_id AND e.layer = 0
                 WHERE t.effective_at < (SELECT max(p.until) FROM ledger.period AS p)) AS s
         GROUP BY s.until, s.account_id HAVING sum(s.posted) <> 0) AS w LEFT JOIN ledger.account AS a ON a.id = w.account_id
 ORDER BY w.until, w.account_id LIMIT %(most)s

-- name: custody
-- Tokens whose newest comparison with the chain left a residual that no open break names.
SELECT format('%%s at block %%s', r.token_id, r.block_number) AS subject, 'residual ' || r.residual AS found
  FROM (SELECT DISTINCT ON (n.token_id) n.token_id, n.block_number, n.residual
          FROM reconciliations AS n ORDER BY n.token_id, n.block_number DESC, n.created_at DESC) AS r
 WHERE r.residual <> 0
   AND NOT EXISTS (SELECT FROM breaks AS b WHERE b.subject = r.token_id AND b.state = 'open')
 ORDER BY r.token_id LIMIT %(most)s

-- name: transfers
-- Final transfers of booked tokens that touch us and are not booked once, and bookings without such a transfer.
WITH ours AS (
    SELECT o.chain_id, o.address, o.token, o.block_number AS since FROM openings AS o
     UNION ALL
    SELECT d.chain_id, d.address, k.contract, -1
      FROM deposit_addresses AS d JOIN tokens AS k ON k.chain_id = d.chain_id AND k.accepted
), final AS (
    SELECT t.*, k.id AS token_id,
           EXISTS (SELECT FROM ours AS o WHERE (o.chain_id, o.address, o.token) = (t.chain_id, t.src, t.token)
                      AND o.since < t.block_number) AS from_us,
           EXISTS (SELECT FROM ours AS o WHERE (o.chain_id, o.address, o.token) = (t.chain_id, t.dst, t.token)
                      AND o.since < t.block_number) AS to_us
      FROM transfers AS t
      JOIN cursors AS c ON c.chain_id = t.chain_id AND t.block_number <= c.finalized_number
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token AND k.accepted
     WHERE t.canonical AND t.amount > 0
       AND NOT EXISTS (SELECT FROM token_suspensions AS s WHERE s.token_id = k.id AND NOT s.settled)
       AND NOT EXISTS (SELECT FROM listed_addresses AS l WHERE (l.chain_id, l.token, l.address) = (t.chain_id, t.token, t.dst))
       AND NOT EXISTS (SELECT FROM ledger.booked AS b
                        WHERE b.chain_id = t.chain_id AND b.block_hash = t.block_hash AND b.log_index = t.log_index)
)
SELECT subject, found FROM (
    SELECT f.block_number AS at, format('transfer %%s/%%s/%%s', f.chain_id, encode(f.block_hash, 'hex'), f.log_index) AS subject,
           format('%%s of %%s came to us, final, and is not booked', f.amount, f.token_id) AS found
      FROM final AS f
     WHERE f.to_us AND NOT EXISTS (         -- a token that was accepted when that money had moved on
            SELECT FROM deposits AS d WHERE d.token_id IS NULL AND d.chain_id = f.chain_id AND d.tx_hash = f.tx_hash
               AND d.block_hash = f.block_hash AND d.log_index = f.log_index)
     UNION ALL
    SELECT coalesce(t.block_number, 0), format('transfer %%s/%%s/%%s', k.chain_id, encode(k.block_hash, 'hex'), k.log_index),
           CASE WHEN x.id IS NULL AND k.tx_id IS NOT NULL THEN format('is booked by transaction %%s, which does not exist', k.tx_id)
                ELSE 'is booked, and is not on the canonical chain, final' END
      FROM ledger.booked AS k
      LEFT JOIN transfers AS t ON t.chain_id = k.chain_id AND t.block_hash = k.block_hash AND t.log_index = k.log_index
      LEFT JOIN cursors AS c ON c.chain_id = k.chain_id
      LEFT JOIN ledger.tx AS x ON x.id = k.tx_id
     WHERE (t.canonical AND t.block_number <= c.finalized_number) IS NOT TRUE OR x.id IS NULL AND k.tx_id IS NOT NULL
     UNION ALL
    SELECT d.block_number, d.id, format('is booked as %%s, its transfer moved %%s', d.amount, coalesce(t.amount::text, 'nothing'))
      FROM ledger.tx AS x JOIN deposits AS d ON d.id = x.source_id LEFT JOIN ledger.booked AS k ON k.tx_id = x.id
      LEFT JOIN transfers AS t ON t.chain_id = k.chain_id AND t.block_hash = k.block_hash AND t.log_index = k.log_index
     WHERE x.source = 'deposit'
       AND (d.chain_id, d.block_hash, d.log_index, d.block_number, d.token, d.src, d.dst, d.amount::numeric) IS DISTINCT FROM
           (t.chain_id, t.block_hash, t.log_index, t.block_number, t.token, t.src, t.dst, t.amount::numeric)
     UNION ALL
    SELECT x.id, 'transaction ' || x.id, format('a %%s that books %%s transfers', x.kind, count(k.tx_id))
      FROM ledger.tx AS x LEFT JOIN ledger.booked AS k ON k.tx_id = x.id
     WHERE x.kind IN ('deposit', 'internal', 'outflow', 'payout') GROUP BY x.id HAVING count(k.tx_id) <> 1
) AS wrong ORDER BY at, subject LIMIT %(most)s

-- name: payouts
-- Paid payouts without exactly their one Transfer, or not booked; payouts that hold money when they may not pay, or none.
SELECT subject, found FROM (
    SELECT p.id AS subject, CASE
               WHEN t.chain_id IS NULL THEN 'is called paid and its transfer is not on the canonical chain'
               WHEN x.id IS NULL THEN 'is paid and not booked'
               WHEN n.times > 1 THEN format('shares its transfer with %%s others', n.times - 1)
               ELSE format('asked for %%s, its transfer moved %%s', p.amount, t.amount) END AS found
      FROM payouts AS p
      JOIN tokens AS k ON k.id = p.token_id
      JOIN (SELECT q.chain_id, q.paid_block_hash, q.paid_log_index, count(*) AS times FROM payouts AS q
             WHERE q.state = 'paid' GROUP BY q.chain_id, q.paid_block_hash, q.paid_log_index) AS n
        ON n.chain_id = p.chain_id AND n.paid_block_hash = p.paid_block_hash AND n.paid_log_index = p.paid_log_index
      LEFT JOIN transfers AS t ON t.chain_id = p.chain_id AND t.block_hash = p.paid_block_hash
                              AND t.log_index = p.paid_log_index AND t.canonical
      LEFT JOIN ledger.tx AS x ON x.source = 'payout' AND x.source_id = p.id
     WHERE p.state = 'paid'
       AND (x.id IS NULL OR n.times > 1 OR (t.token, t.src, t.dst, t.amount::numeric)
            IS DISTINCT FROM (k.contract, p.vault, p.destination, p.amount::numeric))
     UNION ALL
    SELECT p.id, p.state || CASE WHEN h.live THEN ', and holds money' ELSE ', and holds no money' END
      FROM payouts AS p
     CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM ledger.tx AS t
                                         WHERE t.source = 'hold' AND t.source_id = p.id || '#' || p.holds
                                           AND NOT EXISTS (SELECT FROM ledger.tx AS r WHERE r.reverses = t.id)) AS live) AS h
     WHERE h.live <> (p.state IN ('pending', 'in_transit'))
) AS wrong ORDER BY subject LIMIT %(most)s

-- name: outflows
-- Final transfers of booked tokens away from us that belong to no payout, here or before a restore; payouts that were sent
-- without their approvals or a mandate that has its own.
WITH out AS (
    SELECT t.*, k.id AS token_id
      FROM transfers AS t
      JOIN cursors AS c ON c.chain_id = t.chain_id AND t.block_number <= c.finalized_number
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token AND k.accepted
     WHERE t.canonical AND t.amount > 0
       AND (EXISTS (SELECT FROM openings AS o WHERE (o.chain_id, o.address, o.token) = (t.chain_id, t.src, t.token)
                       AND o.block_number < t.block_number)
            OR EXISTS (SELECT FROM deposit_addresses AS d WHERE d.chain_id = t.chain_id AND d.address = t.src))
       AND NOT EXISTS (SELECT FROM own_addresses AS w WHERE w.chain_id = t.chain_id AND w.address = t.dst)
       AND NOT EXISTS (SELECT FROM deposit_addresses AS d WHERE d.chain_id = t.chain_id AND d.address = t.dst)
       AND NOT EXISTS (SELECT FROM ledger.booked AS b
                        WHERE b.chain_id = t.chain_id AND b.block_hash = t.block_hash AND b.log_index = t.log_index)
)
SELECT subject, found FROM (
    SELECT f.block_number AS at, format('transfer %%s/%%s/%%s', f.chain_id, encode(f.block_hash, 'hex'), f.log_index) AS subject,
           format('%%s of %%s left us, and no payout asked for it', f.amount, f.token_id) AS found
      FROM out AS f
     WHERE NOT EXISTS (SELECT FROM payouts AS p WHERE p.state = 'in_transit' AND p.token_id = f.token_id AND p.vault = f.src
                          AND p.destination = f.dst AND p.amount::numeric = f.amount::numeric)
       AND NOT EXISTS (SELECT FROM recovered_payouts AS r WHERE r.chain_id = f.chain_id AND r.tx_hash = f.tx_hash AND r.vault = f.src
                          AND r.destination = f.dst AND r.amount::numeric = f.amount::numeric AND r.outcome = 'paid')
     UNION ALL
    SELECT x.block_number, 'transaction ' || x.id, 'books what went to no source of capital, and no break says so'
      FROM ledger.tx AS x
      JOIN ledger.booked AS b ON b.tx_id = x.id
      JOIN transfers AS t ON t.chain_id = b.chain_id AND t.block_hash = b.block_hash AND t.log_index = b.log_index
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token
     WHERE x.source = 'outflow'
       AND NOT EXISTS (SELECT FROM treasury_sources AS s WHERE s.chain_id = t.chain_id AND s.address = t.dst)
       AND NOT EXISTS (SELECT FROM breaks AS r WHERE r.type = 'unexplained_outflow' AND r.subject = k.id || '/' || x.source_id)
     UNION ALL
    SELECT 0, p.id, format('%%s with %%s of %%s approvals', p.state, greatest(a.given, b.given), p.approvals_required)
      FROM payouts AS p
     CROSS JOIN LATERAL (SELECT coalesce(max(n), 0) AS given FROM (SELECT count(*) AS n FROM payout_approvals AS v
                          WHERE v.payout_id = p.id GROUP BY v.digest) AS rounds) AS a
     CROSS JOIN LATERAL (SELECT coalesce(max(n), 0) AS given FROM (SELECT count(*) AS n FROM payout_batch_approvals AS v
                          WHERE v.batch_id = p.batch_id GROUP BY v.digest) AS rounds) AS b
     WHERE p.state IN ('in_transit', 'paid') AND greatest(a.given, b.given) < p.approvals_required
       AND NOT EXISTS (SELECT FROM recovered_payouts AS r WHERE r.chain_id = p.chain_id AND r.vault = p.vault
                          AND r.vault_id = p.vault_id AND r.outcome = 'paid')    -- a restore lost them; the vault saw them
       AND NOT EXISTS (SELECT FROM mandates AS m
                        WHERE m.id = p.mandate_id AND (m.account_id, m.livemode, m.token_id, m.vault) = (p.account_id, p.livemode, p.token_id, p.vault)
                          AND p.amount::numeric <= m.max_per_item::numeric
                          AND lower(m.destination) IN ('claimant', '0x' || encode(p.destination, 'hex'))
                          AND (SELECT count(*) FROM mandate_approvals AS v WHERE v.mandate_id = m.id) >= m.approvals_required)
) AS wrong ORDER BY at, subject LIMIT %(most)s

-- name: told
-- Events that lost their place, their number or a delivery to an endpoint that never changed since before them.
SELECT subject, found FROM (
    SELECT o.event_id AS subject, CASE WHEN o.sequenced THEN 'has a number and no event' ELSE 'is an event and has no number' END AS found
      FROM outbox AS o LEFT JOIN events AS e ON e.id = o.event_id WHERE o.sequenced <> (e.id IS NOT NULL)
     UNION ALL
    SELECT e.account_id, format('%%s events numbered %%s to %%s, %%s counted', count(*), min(e.account_sequence), max(e.account_sequence), s.last)
      FROM events AS e LEFT JOIN event_sequences AS s ON s.account_id = e.account_id
     GROUP BY e.account_id, s.last
    HAVING min(e.account_sequence) <> 1 OR max(e.account_sequence) <> count(*) OR s.last IS DISTINCT FROM count(*)
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
     WHERE a.code ~ '^(available|suspense):' AND a.owner_account IS DISTINCT FROM split_part(a.code, ':', 2)
) AS wrong ORDER BY subject LIMIT %(most)s

-- name: facts
-- Transactions whose entries, block or time are not what the fact they book says: the journal computed anew, compared.
WITH place AS (
    SELECT o.chain_id, o.address, CASE o.kind WHEN 'wallet' THEN 'custody:wallets' ELSE 'custody:' || o.kind END AS code
      FROM own_addresses AS o
     UNION ALL
    SELECT d.chain_id, d.address, 'custody:forwarders' FROM deposit_addresses AS d
     WHERE NOT EXISTS (SELECT FROM own_addresses AS o WHERE o.chain_id = d.chain_id AND o.address = d.address)
), operator AS (
    SELECT 'available:' || a.id AS available, 'suspense:' || a.id AS suspense FROM accounts AS a WHERE a.kind = 'operator'
), due AS (
    SELECT x.id, l.code, k.id AS token_id, 0 AS layer, l.amount
      FROM ledger.tx AS x
      JOIN openings AS o ON o.id = x.source_id
      JOIN tokens AS k ON k.chain_id = o.chain_id AND k.contract = o.token
      JOIN place AS p ON p.chain_id = o.chain_id AND p.address = o.address
     CROSS JOIN operator
     CROSS JOIN LATERAL (VALUES (p.code, o.amount::numeric), (operator.available, -o.amount)) AS l (code, amount)
     WHERE x.source = 'opening'
     UNION ALL
    SELECT x.id, l.code, d.token_id, 0, l.amount
      FROM ledger.tx AS x
      JOIN deposits AS d ON d.id = x.source_id
      JOIN place AS p ON p.chain_id = d.chain_id AND p.address = d.dst
      LEFT JOIN applications AS s ON s.deposit_id = d.id
      LEFT JOIN ledger.tx AS moved ON moved.source = 'application' AND moved.source_id = d.id
     CROSS JOIN operator
     CROSS JOIN LATERAL (SELECT CASE WHEN moved.id IS NOT NULL THEN 0 WHEN d.kind = 'capital' THEN d.amount::numeric
            WHEN d.kind = 'payment' AND s.state = 'accepted' THEN d.amount::numeric
            WHEN d.kind = 'payment' AND s.state <> 'unapplied' THEN s.amount_applied::numeric ELSE 0 END AS credited) AS c
     CROSS JOIN LATERAL (VALUES (p.code, d.amount::numeric),
            (CASE d.kind WHEN 'payment' THEN 'available:' || d.account_id ELSE operator.available END, -c.credited),
            (CASE d.kind WHEN 'payment' THEN 'suspense:' || d.account_id ELSE operator.suspense END, c.credited - d.amount))
             AS l (code, amount)
     WHERE x.source = 'deposit'
     UNION ALL
    SELECT x.id, l.code, d.token_id, 0, l.amount
      FROM ledger.tx AS x
      JOIN deposits AS d ON d.id = x.source_id
      JOIN applications AS s ON s.deposit_id = d.id
     CROSS JOIN LATERAL (SELECT CASE s.state WHEN 'accepted' THEN d.amount::numeric ELSE s.amount_applied::numeric END AS credited) AS c
     CROSS JOIN LATERAL (VALUES ('suspense:' || d.account_id, c.credited), ('available:' || d.account_id, -c.credited)) AS l (code, amount)
     WHERE x.source = 'application'
     UNION ALL
    SELECT x.id, l.code, k.id, 0, l.amount
      FROM ledger.tx AS x
      JOIN ledger.booked AS b ON b.tx_id = x.id
      JOIN transfers AS t ON t.chain_id = b.chain_id AND t.block_hash = b.block_hash AND t.log_index = b.log_index
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token
      JOIN place AS s ON s.chain_id = t.chain_id AND s.address = t.src
      JOIN place AS d ON d.chain_id = t.chain_id AND d.address = t.dst
     CROSS JOIN LATERAL (VALUES (d.code, t.amount::numeric), (s.code, -t.amount)) AS l (code, amount)
     WHERE x.source = 'internal'
     UNION ALL
    SELECT x.id, l.code, k.id, 0, l.amount
      FROM ledger.tx AS x
      JOIN ledger.tx AS o ON o.source = 'outflow' AND o.source_id = x.source_id
      JOIN ledger.booked AS b ON b.tx_id = o.id
      JOIN transfers AS t ON t.chain_id = b.chain_id AND t.block_hash = b.block_hash AND t.log_index = b.log_index
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token
      JOIN place AS s ON s.chain_id = t.chain_id AND s.address = t.src
     CROSS JOIN operator
     CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM breaks AS r WHERE r.type = 'unexplained_outflow'
                                           AND r.subject = k.id || '/' || o.source_id) AS missing,
                                EXISTS (SELECT FROM ledger.tx AS y WHERE y.source = 'loss' AND y.source_id = o.source_id) AS borne) AS m
     CROSS JOIN LATERAL (VALUES ('outflow', CASE WHEN m.missing THEN 'expense:outflow' ELSE operator.available END, t.amount::numeric),
            ('outflow', s.code, -t.amount), ('loss', operator.available, t.amount), ('loss', 'expense:outflow', -t.amount),
            ('found', 'custody:forwarders', t.amount),
            ('found', CASE WHEN m.missing AND NOT m.borne THEN 'expense:outflow' ELSE operator.available END, -t.amount)) AS l (source, code, amount)
     WHERE x.source IN ('outflow', 'loss', 'found') AND l.source = x.source
     UNION ALL
    SELECT x.id, l.code, p.token_id, l.layer, l.amount
      FROM ledger.tx AS x
      JOIN payouts AS p ON p.id = split_part(x.source_id, '#', 1)
     CROSS JOIN LATERAL (VALUES ('hold', 'available:' || p.account_id, 1, p.amount::numeric), ('hold', 'custody:vault', 2, -p.amount),
            ('release', 'available:' || p.account_id, 1, -p.amount), ('release', 'custody:vault', 2, p.amount::numeric),
            ('payout', 'available:' || p.account_id, 1, -p.amount), ('payout', 'custody:vault', 2, p.amount::numeric),
            ('payout', 'available:' || p.account_id, 0, p.amount::numeric), ('payout', 'custody:vault', 0, -p.amount))
             AS l (source, code, layer, amount)
     WHERE x.source IN ('hold', 'release', 'payout') AND l.source = x.source
     UNION ALL
    SELECT x.id, l.code, k.id, 0, l.amount
      FROM ledger.tx AS x
      JOIN attempts AS a ON a.tx_hash = decode(x.source_id, 'hex')
      JOIN tokens AS k ON k.chain_id = a.chain_id AND k.contract = decode(repeat('00', 20), 'hex')
     CROSS JOIN LATERAL (VALUES ('expense:gas', a.fee_paid), ('custody:wallets', -a.fee_paid)) AS l (code, amount)
     WHERE x.source = 'gas'
)
SELECT subject, found FROM (
    SELECT w.id AS at, 'transaction ' || w.id AS subject,
           format('layer %%s of %%s in %%s is %%s, by its %%s %%s', w.layer, w.code, w.token_id, w.wrong, x.kind, x.source_id) AS found
      FROM (SELECT id, code, token_id, layer, sum(amount) AS wrong
              FROM (SELECT e.tx_id AS id, a.code, e.token_id, e.layer::integer, e.amount FROM ledger.entry AS e
                      JOIN ledger.account AS a ON a.id = e.account_id
                     UNION ALL
                    SELECT id, code, token_id, layer, -amount FROM due) AS both_sides
             GROUP BY id, code, token_id, layer HAVING sum(amount) <> 0) AS w
      LEFT JOIN ledger.tx AS x ON x.id = w.id
     UNION ALL
    SELECT x.id, 'transaction ' || x.id, format('is of block %%s and effective at %%s, its transfer is of block %%s and %%s',
           x.block_number, x.effective_at, t.block_number, k.block_time)
      FROM ledger.tx AS x
      JOIN ledger.booked AS b ON b.tx_id = x.id
      JOIN transfers AS t ON t.chain_id = b.chain_id AND t.block_hash = b.block_hash AND t.log_index = b.log_index
      JOIN blocks AS k ON k.chain_id = t.chain_id AND k.hash = t.block_hash
     WHERE (x.chain_id, x.block_number) IS DISTINCT FROM (t.chain_id, t.block_number) OR x.effective_at < k.block_time
) AS wrong ORDER BY at, subject LIMIT %(most)s

-- name: digests
-- Transactions whose digest is not of their content.
SELECT 'transaction ' || x.id AS subject, format('a %%s of %%s', x.kind, x.source_id) AS found
  FROM ledger.tx AS x
  JOIN (SELECT e.tx_id, jsonb_agg(e.account_id ORDER BY e.seq) AS accounts, jsonb_agg(e.layer ORDER BY e.seq) AS layers,
               jsonb_agg(e.amount ORDER BY e.seq) AS amounts
          FROM ledger.entry AS e GROUP BY e.tx_id) AS c ON c.tx_id = x.id
 WHERE x.digest <> sha256(convert_to(jsonb_build_array(x.source, x.source_id, x.kind, x.chain_id, x.block_number,
           c.accounts, c.layers, c.amounts, x.reverses)::text, 'UTF8'))
 ORDER BY x.id LIMIT %(most)s
