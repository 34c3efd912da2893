-- What was asked of whom under which number, how a deposit was proven, at which price a quote stood, who verified a
-- destination. Who pays whom by the travel rule is about people, and the API's and the worker's alone.
GRANT SELECT ON
    contract_events, deposit_addresses, deposit_proofs, destination_verifications, early_policies, ended_listings, invoice_numbers,
    invoiced_months, quote_readings, quotes
 TO bascule_auditor;
-- Of invoices all but the customer: a name, an email, an address.
DO $$
DECLARE names text;
BEGIN
    SELECT string_agg(quote_ident(a.attname), ', ') INTO names FROM pg_attribute AS a
     WHERE a.attrelid = 'invoices'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'customer';
    EXECUTE format('GRANT SELECT (%s) ON invoices TO bascule_auditor', names);
END $$;
