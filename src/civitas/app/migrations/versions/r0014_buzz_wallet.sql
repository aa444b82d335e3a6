-- Freezes or frees the purses that a person spends from; whether anything changed. Locks in the order of ids.
CREATE FUNCTION buzz_freeze(p_person bigint, p_at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE ids bigint[];
BEGIN
    PERFORM buzz_account(p_person, purpose, currency)
       FROM (VALUES ('settled', 'cash'), ('wallet', 'blue'), ('wallet', 'green'), ('wallet', 'yellow'))
            AS g(purpose, currency);
    ids := ARRAY(SELECT a.id FROM buzz_accounts a
                  WHERE a.owner_id = p_person AND a.purpose IN ('wallet', 'settled')
                  ORDER BY a.id FOR NO KEY UPDATE OF a);
    UPDATE buzz_accounts SET frozen_at = p_at
     WHERE id = ANY (ids) AND (frozen_at IS NULL) <> (p_at IS NULL);
    RETURN FOUND;
END $$;

-- The first entry that was made at a moment or later, found by halving: entries are numbered in the order of time,
-- but for those whose transactions overlapped. NULL when there is none.
CREATE FUNCTION buzz_entry_at(p_at timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    low bigint;
    high bigint;
    middle bigint;
    found record;
BEGIN
    SELECT min(id), max(id) INTO low, high FROM buzz_entries;
    IF low IS NULL OR (SELECT created_at FROM buzz_entries WHERE id = high) < p_at THEN
        RETURN NULL;
    END IF;
    WHILE low < high LOOP
        middle := (low + high) / 2;
        SELECT id, created_at INTO found FROM buzz_entries WHERE id >= middle ORDER BY id LIMIT 1;
        IF found.created_at >= p_at THEN
            high := middle;
        ELSE
            low := found.id + 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;

INSERT INTO buzz_daily_mark (id) VALUES (1);
