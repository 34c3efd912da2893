-- The guards let through what advance_test_clock does, which runs as the owner of the rows; a process that may write a
-- deadline itself could bring it nearer by hand. before, after: the whole rows.
CREATE OR REPLACE FUNCTION comes_nearer(before jsonb, after jsonb, VARIADIC deadlines text[]) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT (before ->> 'livemode')::boolean
       AND EXISTS (SELECT FROM pg_class WHERE oid = 'public.payment_intents'::regclass AND pg_get_userbyid(relowner) = current_user)
       AND before - deadlines - 'version' = after - deadlines - 'version'
       AND NOT EXISTS (SELECT FROM unnest(deadlines) AS d
                        WHERE (after ->> d) IS DISTINCT FROM (before ->> d)
                          AND ((after ->> d)::timestamptz < (before ->> d)::timestamptz) IS NOT TRUE)
$$;
