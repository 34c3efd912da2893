-- tables:

-- name: state
-- Whether the database answers under the newest schema, and which chains are halted.
SELECT ARRAY(SELECT chain_id FROM cursors WHERE halted_reason IS NOT NULL ORDER BY chain_id) AS halted_chains;
