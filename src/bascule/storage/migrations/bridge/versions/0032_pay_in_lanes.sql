-- What a batch pays in all: lanes of one vault share its float, so each leaves the others what they are paying now.
ALTER TABLE slots ADD COLUMN total numeric(78, 0);
UPDATE slots AS s SET total = n.total
  FROM (SELECT i.chain_id, i.wallet, i.nonce, sum(p.amount) AS total
          FROM slot_items AS i JOIN payouts AS p ON p.id = i.payout_id GROUP BY 1, 2, 3) AS n
 WHERE (s.chain_id, s.wallet, s.nonce) = (n.chain_id, n.wallet, n.nonce);
ALTER TABLE slots ADD CONSTRAINT pay_has_total CHECK (kind <> 'pay' OR total IS NOT NULL);

-- Found without a search however many wait, and however many slots there were.
DROP INDEX payouts_to_reserve;
CREATE INDEX payouts_to_reserve ON payouts (chain_id, vault, created_at, id) WHERE state = 'pending';
CREATE INDEX slot_items_by_payout ON slot_items (payout_id);
