-- tables: networks

-- name: publish
-- Adds a network, or gives it new settings.
INSERT INTO networks (chain_id, name, livemode, finality_kind, finality_depth, vault, deposit_factory,
                      forwarder, collector, start_block, explorer_url)
VALUES (%(chain_id)s, %(name)s, %(livemode)s, %(finality_kind)s, %(finality_depth)s, %(vault)s,
        %(deposit_factory)s, %(forwarder)s, %(collector)s, %(start_block)s, %(explorer_url)s)
ON CONFLICT (chain_id) DO UPDATE
   SET name = excluded.name, livemode = excluded.livemode, finality_kind = excluded.finality_kind,
       finality_depth = excluded.finality_depth, vault = excluded.vault,
       deposit_factory = excluded.deposit_factory, forwarder = excluded.forwarder,
       collector = excluded.collector, start_block = excluded.start_block,
       explorer_url = excluded.explorer_url;

-- name: set_finality
-- What makes a block of the network final from now on.
UPDATE networks SET finality_kind = %(kind)s, finality_depth = %(depth)s WHERE chain_id = %(chain_id)s;

-- name: unproven
-- Of what a chain's headers were learned to prove nothing.
SELECT unproven FROM networks WHERE chain_id = %(chain_id)s;

-- name: learn
-- It was learned; what proves less than before proves more again only once an operator had it forgotten.
UPDATE networks SET unproven = %(unproven)s WHERE chain_id = %(chain_id)s AND unproven IS NULL;

-- name: forget
-- An operator wants it learned anew.
UPDATE networks SET unproven = NULL WHERE chain_id = %(chain_id)s;

-- name: confirm_collector
-- The collector that an operator confirmed is in place; none is awaited any more.
UPDATE networks SET collector = %(collector)s, collector_next = NULL WHERE chain_id = %(chain_id)s;

-- name: confirm_next_collector
-- An operator knows of the collector that is scheduled.
UPDATE networks SET collector_next = %(collector)s WHERE chain_id = %(chain_id)s;

-- name: deposit_factories
-- The factory of a network's deposit addresses, if it has one.
SELECT deposit_factory FROM networks WHERE chain_id = %(chain_id)s AND deposit_factory IS NOT NULL;

-- name: get
-- The network with this chain id.
SELECT * FROM networks WHERE chain_id = %(chain_id)s;

-- name: every
-- All networks, by chain id.
SELECT * FROM networks ORDER BY chain_id;

-- name: known
-- Which rows of networks and tokens are current.
SELECT word FROM known_catalog;
