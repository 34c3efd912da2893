-- tables:

-- name: intents_to_expire
-- Intents whose time to pay is over and that have not said so yet, the longest overdue first.
SELECT i.id FROM deadlines AS d JOIN payment_intents AS i ON i.id = d.intent_id
WHERE d.due_at <= %(now)s AND i.state = 'requires_action' AND i.expires_at <= %(now)s AND NOT 'expired' = ANY (i.flags)
ORDER BY i.expires_at LIMIT %(limit)s;

-- name: intents_to_close
-- Intents past their close on every accepted chain: a chain we lag on, or have not read yet, keeps them open, and so does a
-- payment that screening holds until it is decided.
SELECT i.id FROM deadlines AS d JOIN payment_intents AS i ON i.id = d.intent_id
WHERE d.due_at < %(now)s AND i.state = 'requires_action' AND i.closes_at < %(now)s
  AND NOT EXISTS (
      SELECT 1 FROM tokens AS t LEFT JOIN cursors AS c ON c.chain_id = t.chain_id
      WHERE t.id = ANY (i.accepted_tokens)
        AND (c.chain_id IS NULL OR c.head_time <= i.closes_at OR c.halted_reason IS NOT NULL))
  AND NOT EXISTS (
      SELECT 1 FROM screenings AS s JOIN applications AS a ON a.deposit_id = s.deposit_id
      WHERE a.intent_id = i.id AND s.state = 'open')
ORDER BY i.closes_at LIMIT %(limit)s;

-- name: may_close
-- Whether the same still holds for one intent, asked under its lock.
SELECT NOT EXISTS (
      SELECT 1 FROM tokens AS t LEFT JOIN cursors AS c ON c.chain_id = t.chain_id
      WHERE t.id = ANY (i.accepted_tokens)
        AND (c.chain_id IS NULL OR c.head_time <= i.closes_at OR c.halted_reason IS NOT NULL))
  AND NOT EXISTS (
      SELECT 1 FROM screenings AS s JOIN applications AS a ON a.deposit_id = s.deposit_id
      WHERE a.intent_id = i.id AND s.state = 'open') AS may_close
FROM payment_intents AS i WHERE i.id = %(id)s;
