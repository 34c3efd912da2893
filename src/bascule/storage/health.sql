-- tables:

-- name: followed
-- Whether the database answers under the newest schema, and how each network is followed. `behind`: seconds of block
-- time between the newest block that was seen and the newest that was read.
SELECT n.chain_id, c.next_number - 1 AS last_number, c.finalized_number, c.halted_reason, s.head_number, s.head_time,
       s.seen_at, extract(epoch FROM s.head_time - c.head_time)::float8 AS behind,
       coalesce(l.expires_at > clock_timestamp(), false) AS led, f.kind AS collector_alarm,
       n.unproven
  FROM networks n
  LEFT JOIN cursors c ON c.chain_id = n.chain_id
  LEFT JOIN sightings s ON s.chain_id = n.chain_id
  LEFT JOIN stopped_flushes f ON f.chain_id = n.chain_id
  LEFT JOIN leases l ON l.name = 'watcher:' || n.chain_id
 ORDER BY n.chain_id;
