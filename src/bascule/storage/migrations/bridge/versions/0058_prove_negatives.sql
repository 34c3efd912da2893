-- That a payout was not paid and can never be: the fact of a final block that says so, and its proof. A receipt stands in
-- deposit_proofs, once for all payouts of a batch; storage of the vault stands here.
CREATE TABLE payout_negatives (
    payout_id   text PRIMARY KEY REFERENCES payouts,
    ground      text NOT NULL CHECK (ground IN ('canceled_at_vault', 'refused_by_token', 'lane_retired', 'deadline_passed')),
    chain_id    bigint NOT NULL,
    block_hash  hash32 NOT NULL,
    log_index   integer,                               -- of the vault's word on the id
    storage     jsonb,                                 -- family, header, branches of account and slots
    ending      jsonb,                                 -- until when batches could run, unix seconds
    nodes       text[] NOT NULL,
    proven_at   timestamptz NOT NULL,
    FOREIGN KEY (chain_id, block_hash) REFERENCES blocks (chain_id, hash),
    CONSTRAINT one_kind_of_proof CHECK ((ground IN ('canceled_at_vault', 'refused_by_token')) = (log_index IS NOT NULL)
                                        AND (log_index IS NULL) = (storage IS NOT NULL)),
    CONSTRAINT deadline_has_ending CHECK ((ground = 'deadline_passed') = (ending IS NOT NULL))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payout_negatives FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON payout_negatives FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_negative_of_live_payout() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.payouts AS p WHERE p.id = new.payout_id AND p.state IN ('failed', 'canceled')
                      AND p.vault_id IS NOT NULL AND p.chain_id = new.chain_id) THEN
        RAISE EXCEPTION 'payout % has no end, or never had a vault id', new.payout_id USING errcode = '23514';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER only_of_the_unpaid BEFORE INSERT ON payout_negatives
   FOR EACH ROW EXECUTE FUNCTION refuse_negative_of_live_payout();
REVOKE EXECUTE ON FUNCTION refuse_negative_of_live_payout() FROM PUBLIC;

-- Few end unpaid after they had an id; the worker looks through these alone. So does who asks when they ended.
CREATE INDEX payouts_ended_unpaid ON payouts (chain_id) WHERE state IN ('failed', 'canceled') AND vault_id IS NOT NULL;
CREATE INDEX outbox_of_unpaid ON outbox (object_id) WHERE type IN ('payout.failed', 'payout.canceled', 'payout.rejected');

-- A payout in the place of one that can never be paid: once, for the same money.
ALTER TABLE payouts ADD COLUMN reissue_of text REFERENCES payouts CONSTRAINT reissued_once UNIQUE;
CREATE FUNCTION refuse_unproven_reissue() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.payouts AS p JOIN public.payout_negatives AS n ON n.payout_id = p.id
                    WHERE p.id = new.reissue_of
                      AND (p.account_id, p.livemode, p.token_id, p.amount)
                        = (new.account_id, new.livemode, new.token_id, new.amount)) THEN
        RAISE EXCEPTION 'nothing proves that payout % can never be paid', new.reissue_of USING errcode = '23514';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER only_for_the_unpaid BEFORE INSERT ON payouts
   FOR EACH ROW WHEN (new.reissue_of IS NOT NULL) EXECUTE FUNCTION refuse_unproven_reissue();
CREATE FUNCTION refuse_other_reissue() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'what payout % stands for is for ever', old.id USING errcode = '42501';
END $$;
CREATE TRIGGER stands_for_it_for_ever BEFORE UPDATE OF reissue_of ON payouts FOR EACH ROW
   WHEN (new.reissue_of IS DISTINCT FROM old.reissue_of) EXECUTE FUNCTION refuse_other_reissue();
REVOKE EXECUTE ON FUNCTION refuse_unproven_reissue(), refuse_other_reissue() FROM PUBLIC;

GRANT SELECT ON payout_negatives TO bascule_api, bascule_submitter, bascule_worker;
GRANT INSERT ON payout_negatives TO bascule_submitter, bascule_worker;
GRANT INSERT ON deposit_proofs TO bascule_submitter;
GRANT INSERT (reissue_of) ON payouts TO bascule_api;
