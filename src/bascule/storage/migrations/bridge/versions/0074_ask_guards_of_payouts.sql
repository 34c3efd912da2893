-- These functions let almost every change pass, and were called once a row to say so. The conditions say it before: what a
-- function asks is the same as ever, and who it refuses too.
DROP TRIGGER only_asks_and_approves ON payouts;
CREATE TRIGGER only_asks_and_approves BEFORE INSERT OR UPDATE ON payouts FOR EACH ROW
    WHEN (pg_has_role(session_user, 'bascule_api', 'member') AND NOT pg_has_role(session_user, 'bascule_submitter', 'member'))
    EXECUTE FUNCTION refuse_beyond_request();
DROP TRIGGER payment_is_for_ever ON payouts;
CREATE TRIGGER payment_is_for_ever BEFORE UPDATE ON payouts FOR EACH ROW
    WHEN ((new.id, new.account_id, new.livemode, new.identity, new.token_id, new.chain_id, new.destination, new.amount,
           new.batch_id, new.batch_position)
          IS DISTINCT FROM (old.id, old.account_id, old.livemode, old.identity, old.token_id, old.chain_id, old.destination,
           old.amount, old.batch_id, old.batch_position))
    EXECUTE FUNCTION refuse_other_payment();

-- Few payouts stand for another one, and the others need no entry for that, which each of their changes wrote anew.
ALTER TABLE payouts DROP CONSTRAINT reissued_once;
CREATE UNIQUE INDEX reissued_once ON payouts (reissue_of) WHERE reissue_of IS NOT NULL;
