-- tables: breaks

-- name: open
-- Notes that something does not add up; what is noted already is seen again, with what is found now.
INSERT INTO breaks (id, type, subject, chain_id, token_id, livemode, amount, freezes, state, evidence, opened_at, seen_at)
VALUES (%(id)s, %(type)s, %(subject)s, %(chain_id)s, %(token_id)s, %(livemode)s, %(amount)s::numeric, %(freezes)s, 'open',
        %(evidence)s, %(at)s, %(at)s)
ON CONFLICT (type, subject) WHERE state = 'open' DO UPDATE
   SET evidence = excluded.evidence, amount = excluded.amount, freezes = excluded.freezes, seen_at = excluded.seen_at
RETURNING *, xmax = 0 AS opened;

-- name: advance
-- Ends an open break with what resolved it.
UPDATE breaks SET state = 'resolved', resolved_at = %(at)s, resolution = %(resolution)s
 WHERE id = %(id)s AND state = 'open'
RETURNING *;

-- name: get
-- One break.
SELECT * FROM breaks WHERE id = %(id)s;

-- name: lock
-- One break, and nobody ends it meanwhile.
SELECT * FROM breaks WHERE id = %(id)s FOR UPDATE;

-- name: several
-- Breaks by their ids.
SELECT * FROM breaks WHERE id = ANY(%(ids)s);

-- name: open_now
-- What does not add up now, the oldest first.
SELECT * FROM breaks WHERE state = 'open' ORDER BY opened_at, id;

-- name: open_of
-- The open break of a type and subject.
SELECT * FROM breaks WHERE type = %(type)s AND subject = %(subject)s AND state = 'open';

-- name: explained
-- Whether a person has explained just this difference, and nothing was even since.
SELECT EXISTS (
    SELECT FROM breaks AS b
     WHERE b.type = %(type)s AND b.subject = %(subject)s AND b.state = 'resolved' AND b.amount = %(amount)s::numeric
       AND b.resolution ? 'reason'
       AND NOT EXISTS (SELECT FROM reconciliations AS r
                        WHERE r.token_id = b.token_id AND r.residual = 0 AND r.created_at > b.resolved_at)) AS known;

-- name: lost_request_resolved
-- Whether a person has dealt with a payment that a restored database had no request of, by its tag.
SELECT EXISTS (
    SELECT FROM breaks AS b
     WHERE b.type = 'payout_of_lost_request' AND b.evidence ->> 'tag' = %(tag)s AND b.state = 'resolved') AS known;

-- name: explained_as_found
-- Which of these, by their places, a person has explained just as they are found now.
SELECT n.place
  FROM unnest(%(types)s::text[], %(subjects)s::text[], %(amounts)s::numeric[], %(evidence)s::jsonb[])
       WITH ORDINALITY AS n (type, subject, amount, evidence, place)
 WHERE EXISTS (SELECT FROM breaks AS b
                WHERE (b.type, b.subject, b.evidence) = (n.type, n.subject, n.evidence) AND b.state = 'resolved'
                  AND b.amount IS NOT DISTINCT FROM n.amount AND b.resolution ? 'reason');

-- name: explained_amount
-- How much of a subject's differences people have explained.
SELECT coalesce(sum(b.amount), 0) AS amount
  FROM breaks AS b
 WHERE b.type = %(type)s AND b.subject = %(subject)s AND b.state = 'resolved' AND b.resolution ? 'reason';
