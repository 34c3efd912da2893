-- A batch whose lines all go out under mandates waits for nobody; what became of it is still the submitter's to say.
CREATE OR REPLACE FUNCTION refuse_beyond_approval() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF new.state IS DISTINCT FROM old.state AND pg_has_role(session_user, 'bascule_api', 'member')
       AND NOT pg_has_role(session_user, 'bascule_submitter', 'member')
       AND (old.state, new.state) NOT IN (('validating', 'requires_action'), ('validating', 'processing'),
            ('requires_action', 'processing'), ('requires_action', 'canceled'),
            ('processing', 'completed_with_failures'), ('processing', 'completed')) THEN
        RAISE EXCEPTION 'payout batch % is not for the API to make %', new.id, new.state USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
