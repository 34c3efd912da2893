-- Whom the operator's policies deny, as far as they can be read, and whom an operator froze.
CREATE OR REPLACE VIEW operators_denied AS
SELECT DISTINCT q.livemode, lower(d.address) AS address
  FROM (SELECT DISTINCT ON (p.livemode, p.token_id) p.livemode, p.rules
          FROM policies AS p JOIN accounts AS a ON a.id = p.account_id AND a.kind = 'operator'
         ORDER BY p.livemode, p.token_id, p.version DESC) AS q
 CROSS JOIN LATERAL jsonb_array_elements_text(
            CASE jsonb_typeof(q.rules -> 'denylist') WHEN 'array' THEN q.rules -> 'denylist' ELSE '[]' END) AS d (address)
 WHERE d.address ~* '^0x[0-9a-f]{40}$'
 UNION
SELECT m.livemode, substr(f.scope, length('destination:') + 1)
  FROM (SELECT DISTINCT ON (scope) scope, frozen FROM freezes
         WHERE starts_with(scope, 'destination:') ORDER BY scope, id DESC) AS f
 CROSS JOIN (VALUES (true), (false)) AS m (livemode)
 WHERE f.frozen;
