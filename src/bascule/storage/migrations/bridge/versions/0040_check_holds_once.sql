-- A payout has a hold while it is pending or in transit, and a hold ends only after it has left both. So a move between
-- the two needs no look: whoever takes the hold away has to move the payout out, and that is looked at as before.
DROP TRIGGER payout_holds_money ON payouts;
CREATE CONSTRAINT TRIGGER payout_holds_money AFTER UPDATE OF state, holds ON payouts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (old.holds IS DISTINCT FROM new.holds
          OR (old.state IN ('pending', 'in_transit')) IS DISTINCT FROM (new.state IN ('pending', 'in_transit')))
    EXECUTE FUNCTION ledger.refuse_payout_without_hold();
CREATE CONSTRAINT TRIGGER new_payout_holds_money AFTER INSERT ON payouts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger.refuse_payout_without_hold();
