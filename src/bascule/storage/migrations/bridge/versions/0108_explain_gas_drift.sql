DROP TRIGGER ended_by_what_ends_it ON breaks;
CREATE TRIGGER ended_by_what_ends_it BEFORE UPDATE OF state ON breaks FOR EACH ROW
    WHEN (old.type <> ALL (ARRAY['custody_residual', 'gas_drift', 'payout_of_lost_request', 'amount_under', 'amount_over',
                                 'late_payment', 'duplicate_payment', 'wrong_token', 'unapplied_deposit', 'webhook_gap'])
          AND pg_has_role(session_user, 'bascule_api', 'member') AND NOT pg_has_role(session_user, 'bascule_worker', 'member'))
    EXECUTE FUNCTION refuse_end_of_break();
