-- tables: accounts

-- name: insert
-- A new account; only the owner of the schema may do this.
INSERT INTO accounts (id, kind, name, test_version, live_version, created_at)
VALUES (%(id)s, %(kind)s, %(name)s, %(version)s, %(version)s, %(created_at)s);

-- name: by_id
-- One account.
SELECT id, kind, name, created_at, test_version, live_version FROM accounts WHERE id = %(id)s;

-- name: operator
-- The account that owns the treasury; there is at most one per installation.
SELECT id, kind, name, created_at, test_version, live_version FROM accounts WHERE kind = 'operator';

-- name: pin_test
-- What test requests mean when they name no version.
UPDATE accounts SET test_version = %(version)s WHERE id = %(id)s;

-- name: pin_live
-- What live requests mean when they name no version.
UPDATE accounts SET live_version = %(version)s WHERE id = %(id)s;
