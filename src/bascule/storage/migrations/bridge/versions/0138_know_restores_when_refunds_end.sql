-- After a restore, what a lane signed that no row knows may run for an hour: no refund frees its amount before.
GRANT SELECT ON address_epochs TO bascule_worker;
GRANT EXECUTE ON FUNCTION database_identity() TO bascule_worker;
