-- tables:

-- name: halted
-- Whether the database answers under the newest schema, and which chains are halted and why.
SELECT chain_id, halted_reason FROM cursors WHERE halted_reason IS NOT NULL ORDER BY chain_id;
