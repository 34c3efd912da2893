-- Tokens that a finished run did not compare: nodes of their chain were silent, or differed, for as long as it waits.
ALTER TABLE reconciliation_runs ADD COLUMN unanswered text[] NOT NULL DEFAULT '{}';
GRANT UPDATE (unanswered) ON reconciliation_runs TO bascule_worker;
