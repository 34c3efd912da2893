-- tables: payouts

-- name: insert
-- A new payout waiting for approvals; no row comes back when its identity is taken.
INSERT INTO payouts (id, account_id, livemode, identity, token_id, chain_id, vault, destination, amount, state,
                     approvals_required, approval_expires_at, roster_version, policy_decision, policy_id,
                     client_reference_id, description, metadata, requested_by, maker, created_at, batch_id,
                     batch_position, destination_id, mandate_id, network_decision, reissue_of)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(identity)s, %(token_id)s, %(chain_id)s, %(vault)s, %(destination)s,
        %(amount)s, 'requires_action', %(approvals_required)s, %(approval_expires_at)s, %(roster_version)s,
        %(policy_decision)s, %(policy_id)s, %(client_reference_id)s, %(description)s, %(metadata)s, %(requested_by)s,
        %(maker)s, %(created_at)s, %(batch_id)s, %(batch_position)s, %(destination_id)s, %(mandate_id)s,
        %(network_decision)s, %(reissue_of)s)
ON CONFLICT ON CONSTRAINT one_payout_per_identity DO NOTHING
RETURNING *

-- name: insert_many
-- New payouts waiting for approvals, in one statement; those whose identity is taken do not come back.
INSERT INTO payouts (id, account_id, livemode, identity, token_id, chain_id, vault, destination, amount, state,
                     approvals_required, approval_expires_at, roster_version, policy_decision, policy_id,
                     client_reference_id, description, metadata, requested_by, maker, created_at, batch_id,
                     batch_position, destination_id, mandate_id, network_decision)
SELECT n.id, %(account_id)s, %(livemode)s, n.identity, n.token_id, %(chain_id)s, %(vault)s, n.destination, n.amount,
       'requires_action', %(approvals_required)s, n.approval_expires_at, %(roster_version)s, n.policy_decision, n.policy_id,
       n.client_reference_id, n.description, '{}', %(requested_by)s, %(maker)s, %(created_at)s, %(batch_id)s,
       n.batch_position, n.destination_id, n.mandate_id, n.network_decision
  FROM unnest(%(ids)s::text[], %(identities)s::text[], %(token_ids)s::text[], %(destinations)s::bytea[],
              %(amounts)s::numeric[], %(policy_decisions)s::jsonb[], %(policy_ids)s::text[],
              %(client_reference_ids)s::text[], %(descriptions)s::text[], %(batch_positions)s::integer[],
              %(destination_ids)s::text[], %(mandate_ids)s::text[], %(ends)s::timestamptz[],
              %(network_decisions)s::jsonb[])
       AS n (id, identity, token_id, destination, amount, policy_decision, policy_id, client_reference_id, description,
             batch_position, destination_id, mandate_id, approval_expires_at, network_decision)
ON CONFLICT ON CONSTRAINT one_payout_per_identity DO NOTHING
RETURNING *

-- name: get
-- One payout.
SELECT * FROM payouts WHERE id = %(id)s

-- name: by_identity
-- The payout that owns an identity, for ever.
SELECT * FROM payouts WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND identity = %(identity)s

-- name: lock
-- One payout, locked until the transaction ends.
SELECT * FROM payouts WHERE id = %(id)s FOR UPDATE

-- name: of_ids
-- Several payouts.
SELECT * FROM payouts WHERE id = ANY (%(ids)s::text[]) ORDER BY id

-- name: lock_all
-- Several payouts, locked in one order until the transaction ends.
SELECT * FROM payouts WHERE id = ANY (%(ids)s::text[]) ORDER BY id FOR UPDATE

-- name: oldest_waiting
-- The pending payout a lane should take next: its own released ids first come in turn with new ones. Those that screening holds
-- are in nobody's way; of a vault the chain pays from no more, only those that have an id there are taken.
SELECT * FROM payouts
 WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND state = 'pending'
   AND (vault_id IS NULL OR div(vault_id, 2::numeric ^ 224) = %(lane)s)
   AND (vault_id IS NOT NULL OR vault = (SELECT n.vault FROM networks AS n WHERE n.chain_id = %(chain_id)s))
   AND NOT token_id = ANY (%(without)s::text[])
   AND NOT id = ANY (%(aside)s::text[])
   AND id NOT IN (SELECT s.payout_id FROM screenings s WHERE s.payout_id IS NOT NULL AND s.state <> 'released')
 ORDER BY created_at, id LIMIT 1

-- name: waiting
-- Pending payouts of one token that fit into one word, oldest first; not those that screening holds. Columns as WaitingRow's.
SELECT id, amount, vault_id, account_id, livemode, identity, token_id, destination, approval_expires_at, policy_id, batch_id,
       mandate_id
  FROM payouts
 WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND token_id = %(token_id)s AND state = 'pending'
   AND (vault_id IS NULL OR div(vault_id, 256) = %(word)s)
   AND (vault_id IS NOT NULL OR vault = (SELECT n.vault FROM networks AS n WHERE n.chain_id = %(chain_id)s))
   AND NOT id = ANY (%(aside)s::text[])
   AND id NOT IN (SELECT s.payout_id FROM screenings s WHERE s.payout_id IS NOT NULL AND s.state <> 'released')
 ORDER BY created_at, id LIMIT %(limit)s

-- name: lock_waiting
-- The same, whole and locked; those another lane holds are skipped.
SELECT * FROM payouts
 WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND token_id = %(token_id)s AND state = 'pending'
   AND (vault_id IS NULL OR div(vault_id, 256) = %(word)s)
   AND (vault_id IS NOT NULL OR vault = (SELECT n.vault FROM networks AS n WHERE n.chain_id = %(chain_id)s))
   AND NOT id = ANY (%(aside)s::text[])
   AND id NOT IN (SELECT s.payout_id FROM screenings s WHERE s.payout_id IS NOT NULL AND s.state <> 'released')
 ORDER BY created_at, id LIMIT %(limit)s
   FOR UPDATE SKIP LOCKED

-- name: advance
-- Moves a payout from one state to another; failure_code goes with failed, and with canceled where nobody asked for that.
UPDATE payouts
   SET state = %(to)s, failure_code = %(failure_code)s, version = version + 1
 WHERE id = %(id)s AND state = %(from_)s
RETURNING *

-- name: advance_to_in_transit
-- Pending payouts get their vault ids, which they keep for ever. CASE, as a plain condition on the state makes a plan
-- without statistics read all that is pending.
UPDATE payouts AS p
   SET state = 'in_transit', vault_id = n.vault_id, waits_for = NULL, version = p.version + 1
  FROM unnest(%(ids)s::text[], %(vault_ids)s::numeric[]) AS n (id, vault_id)
 WHERE p.id = n.id AND CASE p.state WHEN 'pending' THEN p.vault_id IS NULL OR p.vault_id = n.vault_id ELSE false END
RETURNING p.id, p.version

-- name: advance_to_pending
-- The approvals are complete: one more hold will stand for it.
UPDATE payouts
   SET state = 'pending', holds = holds + 1, version = version + 1
 WHERE id = %(id)s AND state = 'requires_action'
RETURNING *

-- name: advance_to_requires_action
-- A new round of approvals: the old signatures count no more, and no mandate carries it.
UPDATE payouts
   SET state = 'requires_action', vault = %(vault)s, roster_version = %(roster_version)s,
       approval_expires_at = %(approval_expires_at)s, policy_decision = %(policy_decision)s, lapse_reason = %(reason)s,
       mandate_id = NULL, waits_for = NULL, version = version + 1
 WHERE id = %(id)s AND state = %(from_)s
RETURNING *

-- name: advance_to_paid
-- The Transfers that paid them, in a final block.
UPDATE payouts AS p
   SET state = 'paid', paid_at = %(paid_at)s, paid_block_hash = %(block_hash)s, paid_log_index = n.log_index,
       version = p.version + 1
  FROM unnest(%(ids)s::text[], %(log_indexes)s::integer[]) AS n (id, log_index)
 WHERE p.id = n.id AND p.state = 'in_transit'
RETURNING p.id, p.version

-- name: renew_round
-- Roster, policy or vault changed while approvals were missing: the round starts again under the new one.
UPDATE payouts
   SET vault = %(vault)s, roster_version = %(roster_version)s, approval_expires_at = %(approval_expires_at)s,
       lapse_reason = %(reason)s, version = version + 1
 WHERE id = %(id)s
RETURNING *

-- name: decide_anew
-- What another version of the policy says of a payout that is in no slot.
UPDATE payouts
   SET policy_id = %(policy_id)s, approvals_required = %(approvals_required)s, policy_decision = %(policy_decision)s,
       version = version + 1
 WHERE id = %(id)s AND state IN ('requires_action', 'pending')
RETURNING *

-- name: follow_round
-- Payouts of a batch, of other tokens, that waited in its round before wait in the new one too; what somebody has locked stays.
UPDATE payouts AS p
   SET vault = b.vault, roster_version = b.roster_version, approval_expires_at = b.approval_expires_at,
       lapse_reason = %(reason)s, version = p.version + 1
  FROM payout_batches AS b
 WHERE b.id = %(id)s AND p.id IN (
       SELECT w.id FROM payouts AS w
        WHERE w.batch_id = %(id)s AND w.state = 'requires_action' AND w.token_id <> %(token_id)s
          AND w.vault = %(vault)s AND (w.vault_id IS NULL OR w.vault = b.vault)
          AND (w.roster_version, w.approval_expires_at) = (%(roster_version)s::integer, %(approval_expires_at)s::timestamptz)
        ORDER BY w.id FOR UPDATE SKIP LOCKED)
RETURNING p.id

-- name: mark_waiting
-- Why pending payouts of a token are not taken yet; those that somebody has locked are just being taken.
UPDATE payouts SET waits_for = %(reason)s
 WHERE id IN (SELECT id FROM payouts
               WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND token_id = %(token_id)s
                 AND state = 'pending' AND waits_for IS DISTINCT FROM %(reason)s AND NOT id = ANY (%(aside)s::text[])
                 FOR UPDATE SKIP LOCKED)

-- name: mark_one_waiting
-- Why a pending payout is not taken yet.
UPDATE payouts SET waits_for = %(reason)s
 WHERE id = %(id)s AND state = 'pending' AND waits_for IS DISTINCT FROM %(reason)s

-- name: mark_some_waiting
-- Why some payouts, as far as they are pending, are not taken or asked about yet; those that somebody has locked are just being.
UPDATE payouts SET waits_for = %(reason)s
 WHERE id IN (SELECT id FROM payouts
               WHERE id = ANY (%(ids)s::text[]) AND state = 'pending' AND waits_for IS DISTINCT FROM %(reason)s
                 FOR UPDATE SKIP LOCKED)

-- name: ids_waiting
-- Pending payouts of a vault that wait for that.
SELECT id FROM payouts
 WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND state = 'pending' AND waits_for = %(reason)s ORDER BY created_at, id

-- name: mark_stuck
-- Raises or lowers the flag that a person should look at a payout.
UPDATE payouts SET stuck = %(stuck)s, version = version + 1 WHERE id = %(id)s AND stuck <> %(stuck)s RETURNING *

-- name: count_change
-- Something beside the columns of payouts in transit changed, as a transaction of theirs; they are locked in one order.
UPDATE payouts AS p SET version = p.version + 1
  FROM (SELECT id FROM payouts WHERE id = ANY (%(ids)s::text[]) AND state = 'in_transit' ORDER BY id FOR UPDATE) AS locked
 WHERE p.id = locked.id
RETURNING p.*

-- name: unfinished_at
-- The payouts without an end that a vault may have paid, locked in one order until the transaction ends: its own and, as they
-- may have moved to it, those without an id of the chain's other vaults. If a lane is named, those that have an id of it.
SELECT * FROM payouts
 WHERE chain_id = %(chain_id)s AND state IN ('requires_action', 'pending', 'in_transit')
   AND (vault = %(vault)s OR vault_id IS NULL)
   AND (%(lane)s::bigint IS NULL OR div(vault_id, 2::numeric ^ 224) = %(lane)s::bigint)
 ORDER BY id FOR UPDATE

-- name: of_batch
-- The payouts of a batch in their order.
SELECT * FROM payouts WHERE batch_id = %(batch_id)s ORDER BY batch_position

-- name: lock_batch
-- The payouts of a batch, locked in the order of their ids.
SELECT * FROM payouts WHERE batch_id = %(batch_id)s ORDER BY id FOR UPDATE

-- name: advance_all_to_pending
-- The approvals of a batch are complete: one more hold will stand for each of these.
UPDATE payouts SET state = 'pending', holds = holds + 1, version = version + 1
 WHERE id = ANY (%(ids)s::text[]) AND state = 'requires_action'
RETURNING *

-- name: advance_all_to_canceled
-- A batch was called off before it was approved.
UPDATE payouts SET state = 'canceled', version = version + 1
 WHERE id = ANY (%(ids)s::text[]) AND state = 'requires_action'
RETURNING *

-- name: rounds_over
-- Payouts of a vault whose approvals are out of date: expired, given under a roster or policy that is not current, by a
-- mandate that ended, for a vault the chain pays from no more, or to an address that the operator denies meanwhile; and those
-- whose screening was rejected. Each lane asks and one look is enough: nothing while another looks.
WITH alone AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(
        hashtextextended('rounds of ' || %(chain_id)s::bigint::text || ' ' || %(vault)s::bytea::text, 0)) AS alone
), ruling AS MATERIALIZED (
    SELECT DISTINCT ON (q.account_id, q.livemode, t.id) q.account_id, q.livemode, t.id AS token_id, q.id
      FROM policies AS q JOIN tokens AS t ON t.id = q.token_id OR q.token_id IS NULL
     ORDER BY q.account_id, q.livemode, t.id, q.token_id NULLS LAST, q.version DESC
)
SELECT p.id FROM payouts AS p
  LEFT JOIN (SELECT account_id, max(roster_version) AS version FROM approvers GROUP BY account_id) AS r
         ON r.account_id = p.account_id
  LEFT JOIN ruling AS q ON (q.account_id, q.livemode, q.token_id) = (p.account_id, p.livemode, p.token_id)
 WHERE (SELECT alone FROM alone)
   AND p.chain_id = %(chain_id)s AND p.vault = %(vault)s AND p.state IN ('requires_action', 'pending')
   AND (p.approval_expires_at <= %(now)s OR p.roster_version < r.version OR p.policy_id <> q.id
        OR p.mandate_id IN (SELECT m.id FROM mandates AS m WHERE m.state <> 'active')
        OR p.vault_id IS NULL AND p.vault <> (SELECT n.vault FROM networks AS n WHERE n.chain_id = %(chain_id)s)
        OR p.id IN (SELECT s.payout_id FROM screenings AS s WHERE s.payout_id IS NOT NULL AND s.state = 'rejected')
        OR (p.livemode, '0x' || encode(p.destination, 'hex')) IN (SELECT n.livemode, n.address FROM operators_denied AS n))
 ORDER BY p.created_at, p.id LIMIT 100

-- name: amounts_lately
-- The amounts of an account's newest hundred payouts of a token, each once.
SELECT DISTINCT amount FROM (
       SELECT amount FROM payouts WHERE account_id = %(account_id)s AND token_id = %(token_id)s
        ORDER BY created_at DESC LIMIT 100) AS lately

-- name: left_behind
-- Payouts without an id of the vaults the chain pays from no more, where no lane is open that would ask about them: the oldest
-- hundred of each; nothing for a vault that is left itself. Every lane asks in every turn: by the vaults that were left, and
-- where none was no payout is read. A plain join without statistics began with all that waits on the chain.
SELECT p.id, o.address AS vault FROM networks AS n
  JOIN own_addresses AS o ON o.chain_id = n.chain_id AND o.kind = 'vault' AND o.address <> n.vault
 CROSS JOIN LATERAL (
       SELECT w.id, w.created_at FROM payouts AS w
        WHERE w.chain_id = o.chain_id AND w.vault = o.address AND w.vault_id IS NULL AND w.state IN ('requires_action', 'pending')
        ORDER BY w.created_at, w.id LIMIT 100) AS p
 WHERE n.chain_id = %(chain_id)s AND n.vault = %(vault)s
   AND NOT EXISTS (SELECT FROM lanes AS l WHERE l.chain_id = o.chain_id AND l.vault = o.address AND l.state = 'open')
 ORDER BY p.created_at, p.id

-- name: move
-- A payout without an id is of another vault of its chain.
UPDATE payouts SET vault = %(vault)s, version = version + 1 WHERE id = %(id)s RETURNING *

-- name: is_ours
-- Whether an address is one of ours on a chain: what holds money, what takes deposits, what a network or token is.
SELECT EXISTS (SELECT 1 FROM own_addresses WHERE chain_id = %(chain_id)s AND address = %(address)s)
    OR EXISTS (SELECT 1 FROM deposit_addresses WHERE chain_id = %(chain_id)s AND address = %(address)s)
    OR EXISTS (SELECT 1 FROM wallets WHERE chain_id = %(chain_id)s AND address = %(address)s)
    OR EXISTS (SELECT 1 FROM lanes WHERE chain_id = %(chain_id)s AND vault = %(address)s)
    OR EXISTS (SELECT 1 FROM networks WHERE chain_id = %(chain_id)s
                  AND (%(address)s IN (vault, deposit_factory, forwarder, collector))) AS ours
