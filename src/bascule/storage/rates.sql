-- tables: rate_readings

-- name: insert
-- What sources said when they were asked.
INSERT INTO rate_readings (source, currency, fiat, asked_at, as_of, raw, price, refusal)
SELECT * FROM unnest(%(sources)s::text[], %(currencies)s::text[], %(fiats)s::text[], %(asked)s::timestamptz[],
                     %(as_of)s::timestamptz[], %(raws)s::text[], %(prices)s::numeric[], %(refusals)s::text[]);

-- name: newest_prices
-- The newest price of each of these sources for a pair, however old it is.
SELECT s.source, r.id, r.price, r.as_of
  FROM unnest(%(sources)s::text[]) AS s (source)
 CROSS JOIN LATERAL (SELECT n.id, n.price, n.as_of FROM rate_readings AS n
                      WHERE n.currency = %(currency)s AND n.fiat = %(fiat)s AND n.source = s.source AND n.price IS NOT NULL
                      ORDER BY n.id DESC LIMIT 1) AS r;

-- name: newest
-- What each source said last of each pair, since some moment.
SELECT DISTINCT ON (currency, fiat, source) currency, fiat, source, asked_at, as_of, raw, price, refusal
  FROM rate_readings WHERE asked_at > %(since)s
 ORDER BY currency, fiat, source, id DESC;
