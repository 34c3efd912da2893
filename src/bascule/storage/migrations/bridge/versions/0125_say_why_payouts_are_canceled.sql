-- Denied, rejected or approved by nobody in time: that is why it was canceled. Without a code somebody called it off, or
-- its lane was retired. NOT VALID, as what the old constraint let in the new one lets in too: no row need be read.
ALTER TABLE payouts ADD CONSTRAINT end_has_code CHECK (
    CASE state WHEN 'failed' THEN failure_code IS NOT NULL WHEN 'canceled' THEN true ELSE failure_code IS NULL END) NOT VALID;
ALTER TABLE payouts DROP CONSTRAINT failed_has_code;

-- As before, but that of all codes the API may give the one of its own doing.
CREATE OR REPLACE FUNCTION refuse_beyond_request() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pg_has_role(session_user, 'bascule_api', 'member') OR pg_has_role(session_user, 'bascule_submitter', 'member') THEN
        RETURN new;                                     -- another process, or the owner
    ELSIF tg_op = 'INSERT' AND new.state = 'requires_action' THEN
        RETURN new;
    ELSIF tg_op = 'UPDATE' AND new.failure_code IS NOT DISTINCT FROM old.failure_code
       AND (old.state, new.state, new.holds - old.holds) IN (('requires_action', 'pending', 1),
            ('requires_action', 'canceled', 0), ('pending', 'canceled', 0)) THEN
        RETURN new;
    ELSIF tg_op = 'UPDATE' AND new.failure_code = 'approval_rejected'
       AND (old.state, new.state, new.holds - old.holds) = ('requires_action', 'canceled', 0) THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION 'payout % is not for the API to make %', new.id, new.state USING errcode = '42501';
END $$;
