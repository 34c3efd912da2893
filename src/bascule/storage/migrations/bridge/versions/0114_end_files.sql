-- A file's pieces go after their time; what is known of it, its digest with it, stays for ever.
ALTER TABLE files ADD COLUMN deleted_at timestamptz;
CREATE INDEX files_kept ON files (created_at) WHERE deleted_at IS NULL;

CREATE FUNCTION refuse_beyond_end() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF old.deleted_at IS NOT NULL OR new.deleted_at IS NULL
       OR to_jsonb(new) - 'deleted_at' IS DISTINCT FROM to_jsonb(old) - 'deleted_at' THEN
        RAISE EXCEPTION 'file % ends once and changes no more', old.id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
DROP TRIGGER append_only ON files;
CREATE TRIGGER ends_once BEFORE UPDATE ON files FOR EACH ROW EXECUTE FUNCTION refuse_beyond_end();
CREATE TRIGGER never_deleted BEFORE DELETE ON files FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_kept_pieces() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM files AS f WHERE f.id = old.file_id AND f.deleted_at IS NOT NULL) THEN
        RAISE EXCEPTION 'file % has not ended', old.file_id USING errcode = '42501';
    END IF;
    RETURN old;
END $$;
DROP TRIGGER append_only ON file_parts;
CREATE TRIGGER append_only BEFORE UPDATE ON file_parts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER with_its_file BEFORE DELETE ON file_parts FOR EACH ROW EXECUTE FUNCTION refuse_kept_pieces();

-- Deletes what the oldest files hold that were made before a moment; how many they were. No process deletes rows by itself.
CREATE FUNCTION end_files(before timestamptz, at timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    ended  text[];
BEGIN
    WITH old AS (SELECT f.id FROM files AS f WHERE f.deleted_at IS NULL AND f.created_at < before
                  ORDER BY f.created_at LIMIT most FOR NO KEY UPDATE SKIP LOCKED),
         gone AS (UPDATE files AS f SET deleted_at = at FROM old WHERE f.id = old.id RETURNING f.id)
    SELECT coalesce(array_agg(g.id), '{}') INTO ended FROM gone AS g;
    DELETE FROM file_parts WHERE file_id = ANY (ended);
    RETURN cardinality(ended);
END $$;

REVOKE EXECUTE ON FUNCTION refuse_beyond_end(), refuse_kept_pieces(), end_files(timestamptz, timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION end_files(timestamptz, timestamptz, integer) TO bascule_worker;
