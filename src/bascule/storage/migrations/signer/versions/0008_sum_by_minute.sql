-- What was signed for of each token, by the minute, so that a day's sum does not grow with a day's payouts. Whoever
-- writes items keeps it without knowing, and nobody writes it by hand.
CREATE TABLE signer.spendings (
    chain_id bigint NOT NULL,
    vault    bytea NOT NULL,
    token    bytea NOT NULL,
    minute   timestamptz NOT NULL,
    amount   numeric(78, 0) NOT NULL,
    PRIMARY KEY (chain_id, vault, token, minute)
);
INSERT INTO signer.spendings (chain_id, vault, token, minute, amount)
SELECT chain_id, vault, token, date_trunc('minute', signed_at, 'UTC'), sum(amount) FROM signer.items GROUP BY 1, 2, 3, 4;

CREATE FUNCTION signer.count_items() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = signer, pg_temp
AS $$
BEGIN
    INSERT INTO spendings AS s (chain_id, vault, token, minute, amount)
    SELECT n.chain_id, n.vault, n.token, date_trunc('minute', n.signed_at, 'UTC'), sum(n.amount)
      FROM new_items AS n GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (chain_id, vault, token, minute) DO UPDATE SET amount = s.amount + excluded.amount;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION signer.count_items() FROM PUBLIC;
CREATE TRIGGER counted AFTER INSERT ON signer.items REFERENCING NEW TABLE AS new_items
   FOR EACH STATEMENT EXECUTE FUNCTION signer.count_items();
CREATE TRIGGER never_removed BEFORE DELETE ON signer.spendings FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.spendings FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
GRANT SELECT ON signer.spendings TO bascule_signer;

-- A batch's sum reads the batch's items alone, whatever the statistics say.
DROP INDEX signer.signer_items_by_batch;
CREATE INDEX signer_items_by_batch ON signer.items (batch_id, chain_id, vault, token) WHERE batch_id IS NOT NULL;
