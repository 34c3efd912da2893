-- Of what the headers of a chain that nobody listed turned out to prove nothing: of their blocks, or of the receipts alone.
ALTER TABLE networks ADD COLUMN unproven text CHECK (unproven IN ('blocks', 'receipts'));
GRANT UPDATE (unproven) ON networks TO bascule_watcher;
