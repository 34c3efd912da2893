-- Payouts in the order in which they were written: what a seal's stretch is of. Written by the trigger alone.
CREATE TABLE payout_log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payout_id  text NOT NULL UNIQUE REFERENCES payouts
);
INSERT INTO payout_log (payout_id) SELECT p.id FROM payouts AS p ORDER BY p.created_at, p.id;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payout_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON payout_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION log_payouts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.payout_log (payout_id) SELECT n.id FROM written AS n ORDER BY n.created_at, n.id;
    RETURN NULL;
END $$;
CREATE TRIGGER are_logged AFTER INSERT ON payouts REFERENCING NEW TABLE AS written
   FOR EACH STATEMENT EXECUTE FUNCTION log_payouts();
REVOKE EXECUTE ON FUNCTION log_payouts() FROM PUBLIC;
GRANT SELECT ON payout_log TO bascule_api, bascule_worker, bascule_auditor;

-- The newest payout that is sealed; none in seals of before.
ALTER TABLE seals ADD COLUMN payouts bigint NOT NULL DEFAULT (-9223372036854775808);
CREATE OR REPLACE FUNCTION refuse_seal_out_of_order() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF new.number > 1 AND NOT EXISTS (SELECT FROM public.seals AS s WHERE s.number = new.number - 1 AND s.hash = new.previous
                                         AND s.ledger <= new.ledger AND s.audit <= new.audit AND s.payouts <= new.payouts) THEN
        RAISE EXCEPTION 'seal % does not follow the one before it', new.number USING errcode = '23514';
    END IF;
    RETURN new;
END $$;
CREATE OR REPLACE FUNCTION settled_history(stream text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF stream = 'ledger' THEN
        LOCK TABLE ledger.tx IN SHARE MODE;
        RETURN (SELECT coalesce(max(t.id), 0) FROM ledger.tx AS t);
    END IF;
    IF stream = 'payouts' THEN
        LOCK TABLE payout_log IN SHARE MODE;
        RETURN (SELECT coalesce(max(p.id), 0) FROM payout_log AS p);
    END IF;
    LOCK TABLE audit_log IN SHARE MODE;
    RETURN (SELECT coalesce(max(a.id), 0) FROM audit_log AS a);
END $$;
