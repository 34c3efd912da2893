-- An intent's times are moved by merchants, who give more, and by test clocks, which take some away: when to look at it
-- follows either, whoever it is.
CREATE FUNCTION follow_deadline() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE deadlines SET due_at = CASE WHEN 'expired' = ANY (new.flags) THEN new.closes_at ELSE new.expires_at END
     WHERE intent_id = new.id;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION follow_deadline() FROM PUBLIC;
CREATE TRIGGER looked_at_in_time AFTER UPDATE OF expires_at, closes_at ON payment_intents FOR EACH ROW
    WHEN (new.state IN ('requires_action', 'processing')) EXECUTE FUNCTION follow_deadline();
REVOKE UPDATE (due_at) ON deadlines FROM bascule_api;

-- What test clocks moved meanwhile.
UPDATE deadlines AS d SET due_at = CASE WHEN 'expired' = ANY (i.flags) THEN i.closes_at ELSE i.expires_at END
  FROM payment_intents AS i
 WHERE i.id = d.intent_id AND i.state IN ('requires_action', 'processing')
   AND d.due_at > CASE WHEN 'expired' = ANY (i.flags) THEN i.closes_at ELSE i.expires_at END;
