-- tables: signer_alarms

-- name: keep
-- A refusal to be told; nothing when it was kept before.
INSERT INTO signer_alarms (chain_id, wallet, nonce, code, subject, message, items, at)
VALUES (%(chain_id)s, %(wallet)s, %(nonce)s, %(code)s, %(subject)s, %(message)s, %(items)s, %(at)s)
ON CONFLICT DO NOTHING;

-- name: open
-- How many a network has: those of a slot that is still unsigned, and those since a moment.
SELECT a.chain_id, count(*) AS alarms
  FROM signer_alarms AS a LEFT JOIN slots AS s USING (chain_id, wallet, nonce)
 WHERE a.at > %(since)s OR (a.subject = '' AND s.state = 'reserved')
 GROUP BY a.chain_id;
