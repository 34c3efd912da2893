-- tables: node_pardons

-- name: record
-- A node is to be asked again.
INSERT INTO node_pardons (chain_id, node) VALUES (%(chain_id)s, %(node)s);

-- name: newest
-- The newest pardon's number.
SELECT coalesce(max(id), 0) AS id FROM node_pardons;

-- name: since
-- Pardons after one of them.
SELECT id, chain_id, node FROM node_pardons WHERE id > %(id)s ORDER BY id;
