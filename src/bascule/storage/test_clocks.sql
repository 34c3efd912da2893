-- tables:

-- name: advance
-- The one way a test clock goes on: the database's own function, which knows what has a deadline and touches test rows alone.
SELECT * FROM advance_test_clock(%(account_id)s, make_interval(secs => %(seconds)s), %(reached)s);
