-- tables: applications

-- name: of_deposits
-- What these deposits count for.
SELECT deposit_id, intent_id, state, reason, amount_applied, chosen FROM applications
 WHERE deposit_id = ANY(%(deposit_ids)s::text[]);

-- name: insert
-- What deposits count for at first.
INSERT INTO applications (deposit_id, intent_id, state, reason, amount_applied)
SELECT n.deposit_id, n.intent_id, n.state, n.reason, n.amount_applied
  FROM unnest(%(deposit_ids)s::text[], %(intent_ids)s::text[], %(states)s::text[], %(reasons)s::text[],
              %(amounts)s::numeric[]) AS n (deposit_id, intent_id, state, reason, amount_applied);

-- name: advance
-- What deposits count for now, each of which was in the state it is said to leave.
UPDATE applications a
   SET state = n.state, reason = n.reason, amount_applied = n.amount_applied, updated_at = now()
  FROM unnest(%(deposit_ids)s::text[], %(befores)s::text[], %(states)s::text[], %(reasons)s::text[],
              %(amounts)s::numeric[]) AS n (deposit_id, before, state, reason, amount_applied)
 WHERE a.deposit_id = n.deposit_id AND a.state = n.before;

-- name: keep_whole
-- What merchants keep of these deposits is all of each, whatever that is now.
UPDATE applications a SET amount_applied = d.amount, updated_at = now()
  FROM deposits d
 WHERE d.id = ANY(%(deposit_ids)s::text[]) AND a.deposit_id = d.id AND a.state = 'accepted';

-- name: choose
-- The intent that the merchant wants an unapplied deposit to count for.
UPDATE applications SET intent_id = %(intent_id)s, chosen = true, updated_at = now()
 WHERE deposit_id = %(deposit_id)s AND state = 'unapplied';
