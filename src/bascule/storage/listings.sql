-- tables: ended_listings

-- name: is_listed
-- Whether what a token said of an address holds it.
SELECT EXISTS (SELECT FROM listed_addresses
                WHERE chain_id = %(chain_id)s AND token = %(token)s AND address = %(address)s) AS listed;

-- name: end
-- What was said up to a height holds it no more.
INSERT INTO ended_listings (chain_id, token, address, upto, shown, reason, ended_at)
VALUES (%(chain_id)s, %(token)s, %(address)s, %(upto)s, %(shown)s, %(reason)s, %(at)s)
ON CONFLICT DO NOTHING;
