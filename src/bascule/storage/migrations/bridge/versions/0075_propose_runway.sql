-- missing: payouts wait for it; runway: as things go they soon will.
ALTER TABLE float_proposals ADD COLUMN reason text NOT NULL DEFAULT 'missing' CHECK (reason IN ('missing', 'runway'));
GRANT UPDATE (reason) ON float_proposals TO bascule_submitter;
