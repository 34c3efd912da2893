-- Settlements move money, and their settings say whereto; the checks of the books read both.
GRANT SELECT ON balance_settings, settlements TO bascule_auditor;
