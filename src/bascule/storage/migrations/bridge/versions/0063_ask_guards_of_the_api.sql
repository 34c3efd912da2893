-- These functions let everybody but the API pass, who they were told of by being called: once a row, for a tenth of what
-- an intent's change takes. The condition says so before they are called.
DROP TRIGGER only_calls_off ON payment_intents;
CREATE TRIGGER only_calls_off BEFORE UPDATE OF state, received, confirmed ON payment_intents FOR EACH ROW
    WHEN (pg_has_role(session_user, 'bascule_api', 'member') AND NOT pg_has_role(session_user, 'bascule_watcher', 'member'))
    EXECUTE FUNCTION refuse_beyond_cancel();
DROP TRIGGER only_flags ON payment_intents;
CREATE TRIGGER only_flags BEFORE UPDATE OF flags, succeeded_by ON payment_intents FOR EACH ROW
    WHEN (pg_has_role(session_user, 'bascule_api', 'member') AND NOT pg_has_role(session_user, 'bascule_watcher', 'member'))
    EXECUTE FUNCTION refuse_beyond_flags();
