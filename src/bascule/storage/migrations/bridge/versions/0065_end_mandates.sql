-- The signatures under a mandate that somebody called off are true ones: the signer would go on paying under it, if whoever
-- has the API's login could say that it is active again.
CREATE FUNCTION refuse_second_life() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'mandate % is %, for ever', old.id, old.state USING errcode = '42501';
END $$;
CREATE TRIGGER ended_for_ever BEFORE UPDATE OF state ON mandates FOR EACH ROW
    WHEN (old.state IN ('revoked', 'expired') AND new.state <> old.state) EXECUTE FUNCTION refuse_second_life();
REVOKE EXECUTE ON FUNCTION refuse_second_life() FROM PUBLIC;
