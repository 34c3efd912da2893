-- tables: signer.account_limits

-- name: insert
-- The next version of an account's bounds, with the signatures that make it rule.
INSERT INTO signer.account_limits (account_id, chain_id, vault, token, version, max_per_day, destinations, signatures)
VALUES (%(account_id)s, %(chain_id)s, %(vault)s, %(token)s, %(version)s, %(max_per_day)s, %(destinations)s::bytea[],
        %(signatures)s)

-- name: current
-- The versions that rule some accounts now; those without bounds are missing.
SELECT DISTINCT ON (account_id) account_id, version, max_per_day, destinations FROM signer.account_limits
 WHERE account_id = ANY (%(accounts)s::text[]) AND chain_id = %(chain_id)s AND vault = %(vault)s AND token = %(token)s
 ORDER BY account_id, version DESC

-- name: spent_since
-- Base units of a token signed for some accounts since a moment.
SELECT account_id, sum(amount) AS amount FROM signer.items
 WHERE account_id = ANY (%(accounts)s::text[]) AND chain_id = %(chain_id)s AND vault = %(vault)s
   AND token = %(token)s AND signed_at > %(since)s
 GROUP BY account_id ORDER BY account_id
