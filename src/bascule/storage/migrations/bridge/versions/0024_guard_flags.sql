-- Beside what an intent received, the API writes its flags and its level when a merchant applies a deposit.
-- That the chain took something back is the watcher's to say, and a level belongs to the step that it allowed.
CREATE FUNCTION refuse_beyond_flags() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT pg_has_role(session_user, 'bascule_api', 'member') OR pg_has_role(session_user, 'bascule_watcher', 'member') THEN
        RETURN new;
    ELSIF ('reorged' = ANY (old.flags), 'reversed' = ANY (old.flags)) = ('reorged' = ANY (new.flags), 'reversed' = ANY (new.flags))
      AND (new.succeeded_by IS NOT DISTINCT FROM old.succeeded_by OR (old.state <> 'succeeded' AND new.state = 'succeeded')) THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION 'what the chain took back from payment intent %, and by which level it succeeded, is not for the API to say', new.id
        USING errcode = '42501';
END $$;
CREATE TRIGGER only_flags BEFORE UPDATE OF flags, succeeded_by ON payment_intents
    FOR EACH ROW EXECUTE FUNCTION refuse_beyond_flags();
REVOKE EXECUTE ON FUNCTION refuse_beyond_flags() FROM PUBLIC;
