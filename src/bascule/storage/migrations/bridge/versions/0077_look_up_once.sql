-- What deposits and applications name exists, and stays; it is looked up once for all rows of a statement. A key's own
-- check is a query for each row, and holds the rows of account and token that all deposits share.
CREATE FUNCTION refuse_stray_deposits() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stray  text;
BEGIN
    SELECT f.token_id INTO stray FROM (SELECT DISTINCT n.token_id FROM fresh AS n) AS f
     WHERE f.token_id IS NOT NULL AND NOT EXISTS (SELECT FROM public.tokens AS k WHERE k.id = f.token_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no token %', stray
            USING errcode = '23503', schema = 'public', table = 'deposits', constraint = 'deposits_token_id_fkey';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION refuse_stray_deposit() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF new.account_id IS DISTINCT FROM old.account_id THEN
        RAISE EXCEPTION 'whose deposit % is, is for ever', old.id USING errcode = '42501';
    ELSIF new.token_id IS NOT NULL AND NOT EXISTS (SELECT FROM public.tokens AS k WHERE k.id = new.token_id) THEN
        RAISE EXCEPTION 'there is no token %', new.token_id
            USING errcode = '23503', schema = 'public', table = 'deposits', constraint = 'deposits_token_id_fkey';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER of_an_account AFTER INSERT ON deposits REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_account();
CREATE TRIGGER of_a_token AFTER INSERT ON deposits REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stray_deposits();
CREATE TRIGGER of_them_still BEFORE UPDATE OF account_id, token_id ON deposits
    FOR EACH ROW EXECUTE FUNCTION refuse_stray_deposit();

CREATE FUNCTION refuse_stray_applications() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stray  record;
BEGIN
    SELECT f.deposit_id, f.intent_id INTO stray FROM fresh AS f  -- counted, or many would be held against all there are
     WHERE (SELECT count(*) FROM public.deposits AS d WHERE d.id = f.deposit_id) = 0
        OR f.intent_id IS NOT NULL AND (SELECT count(*) FROM public.payment_intents AS i WHERE i.id = f.intent_id) = 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no deposit %, or no payment intent %', stray.deposit_id, stray.intent_id
            USING errcode = '23503', schema = 'public', table = 'applications', constraint = 'applications_deposit_id_fkey';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION refuse_stray_application() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF new.deposit_id <> old.deposit_id THEN
        RAISE EXCEPTION 'of which deposit an application is, is for ever' USING errcode = '42501';
    ELSIF new.intent_id IS NOT NULL AND NOT EXISTS (SELECT FROM public.payment_intents AS i WHERE i.id = new.intent_id) THEN
        RAISE EXCEPTION 'there is no payment intent %', new.intent_id
            USING errcode = '23503', schema = 'public', table = 'applications', constraint = 'applications_intent_id_fkey';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER of_a_deposit AFTER INSERT ON applications REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stray_applications();
CREATE TRIGGER of_it_for_ever BEFORE UPDATE OF deposit_id, intent_id ON applications
    FOR EACH ROW EXECUTE FUNCTION refuse_stray_application();
REVOKE EXECUTE ON FUNCTION refuse_stray_deposits(), refuse_stray_deposit(), refuse_stray_applications(), refuse_stray_application()
    FROM PUBLIC;

CREATE TRIGGER named_for_ever BEFORE DELETE OR UPDATE OF id ON tokens FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER named_for_ever BEFORE DELETE OR UPDATE OF id ON deposits FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER named_for_ever BEFORE DELETE OR UPDATE OF id ON payment_intents FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON tokens FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON deposits FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON payment_intents FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE deposits DROP CONSTRAINT deposits_account_id_fkey, DROP CONSTRAINT deposits_token_id_fkey;
ALTER TABLE applications DROP CONSTRAINT applications_deposit_id_fkey, DROP CONSTRAINT applications_intent_id_fkey;

-- Few transactions end a hold; the others need no place among them.
ALTER TABLE ledger.tx DROP CONSTRAINT one_end_per_hold;
CREATE UNIQUE INDEX one_end_per_hold ON ledger.tx (reverses) WHERE reverses IS NOT NULL;
