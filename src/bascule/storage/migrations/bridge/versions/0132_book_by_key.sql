-- As before, but each deposit's rows are found by their keys: statistics that are older than the tables made PostgreSQL
-- read all transfers, and all that was ever booked, for the few that are asked for.
CREATE OR REPLACE FUNCTION ledger.deposits_to_book(deposit_ids text[]) RETURNS SETOF ledger.bookable
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET join_collapse_limit = 1
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    WITH asked AS MATERIALIZED (                     -- the few first, whatever the statistics say of the rest
        SELECT * FROM public.deposits AS e WHERE e.id = ANY (deposit_ids) AND e.state = 'finalized' AND e.amount > 0
    )
    SELECT d.id, d.token_id, d.chain_id, d.block_hash, d.block_number, d.log_index, b.block_time, d.amount, c.credited,
           coalesce(CASE o.kind WHEN 'wallet' THEN 'custody:wallets' ELSE 'custody:' || o.kind END,
                    CASE WHEN f.address IS NOT NULL THEN 'custody:forwarders' END),
           'available:' || w.owner, 'suspense:' || w.owner
      FROM asked AS d
      JOIN public.tokens AS k ON k.id = d.token_id AND k.accepted AND k.chain_id = d.chain_id AND k.contract = d.token
     CROSS JOIN LATERAL (SELECT * FROM public.transfers AS x WHERE x.chain_id = d.chain_id AND x.block_hash = d.block_hash
                            AND x.log_index = d.log_index OFFSET 0) AS t  -- apart, or all canonical ones might be read
     CROSS JOIN LATERAL (SELECT x.block_time, x.canonical FROM public.blocks AS x
                          WHERE x.chain_id = d.chain_id AND x.hash = d.block_hash OFFSET 0) AS b
      JOIN public.cursors AS u ON u.chain_id = d.chain_id
      LEFT JOIN public.own_addresses AS o ON o.chain_id = d.chain_id AND o.address = d.dst
      LEFT JOIN public.deposit_addresses AS f ON f.chain_id = d.chain_id AND f.address = d.dst
      LEFT JOIN public.applications AS p ON p.deposit_id = d.id
     CROSS JOIN LATERAL (SELECT CASE d.kind WHEN 'payment' THEN d.account_id
            ELSE (SELECT a.id FROM public.accounts AS a WHERE a.kind = 'operator') END AS owner) AS w
     CROSS JOIN LATERAL (SELECT CASE WHEN d.kind = 'capital' THEN d.amount::numeric
            WHEN d.kind = 'payment' AND p.state = 'applied' THEN p.amount_applied::numeric ELSE 0 END AS credited) AS c
     WHERE t.canonical AND b.canonical AND u.finalized_number >= t.block_number AND u.halted_reason IS NULL
       AND (t.token, t.src, t.dst, t.amount::numeric, t.block_number) = (d.token, d.src, d.dst, d.amount::numeric, d.block_number)
       AND (o.address IS NOT NULL OR f.address IS NOT NULL)
       AND (d.kind <> 'payment' OR p.state IN ('applied', 'unapplied'))
       AND c.credited <= d.amount AND w.owner IS NOT NULL
       AND NOT EXISTS (SELECT FROM ledger.tx AS x WHERE x.source = 'deposit' AND x.source_id = d.id)
       AND NOT EXISTS (SELECT FROM ledger.booked AS y
                        WHERE y.chain_id = d.chain_id AND y.block_hash = d.block_hash AND y.log_index = d.log_index)
$$;
