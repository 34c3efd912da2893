-- After a restore, what a lane signed that no row knows may run for an hour: no lane of its vault opens before.
GRANT SELECT ON address_epochs TO bascule_submitter;
GRANT EXECUTE ON FUNCTION database_identity() TO bascule_submitter;
