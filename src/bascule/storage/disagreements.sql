-- tables: node_disagreements

-- name: record
-- Two answers that cannot both be true, or one that contradicts a hash.
INSERT INTO node_disagreements (chain_id, node, other, why, refuted, request, answer, answer_size, other_answer,
                                other_size, seen_at)
VALUES (%(chain_id)s, %(node)s, %(other)s, %(why)s, %(refuted)s, %(request)s, %(answer)s, %(answer_size)s,
        %(other_answer)s, %(other_size)s, %(seen_at)s);

-- name: every
-- What was kept of a chain.
SELECT node, other, why, refuted, request, answer, answer_size, other_answer, other_size
  FROM node_disagreements WHERE chain_id = %(chain_id)s ORDER BY id;
