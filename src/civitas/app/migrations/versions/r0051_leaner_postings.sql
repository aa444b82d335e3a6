-- A hold's person has the account in which it lies, and its entry is written beside it by the same function: foreign keys
-- would look both up again, and lock and so rewrite the row of the person.
ALTER TABLE buzz_holds DROP CONSTRAINT fk_buzz_holds_entry_id, DROP CONSTRAINT fk_buzz_holds_person_id;

-- Whose an account is, is put down when it is made: as a computed column its expression would be read, parsed and weighed
-- at every change of a balance.
ALTER TABLE buzz_accounts ALTER COLUMN person_id DROP EXPRESSION;

CREATE FUNCTION buzz_account_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.person_id := nullif(NEW.owner_id, 0);
    RETURN NEW;
END $$;

CREATE TRIGGER buzz_accounts_person BEFORE INSERT ON buzz_accounts
    FOR EACH ROW EXECUTE FUNCTION buzz_account_person();

-- What an account is stays guarded, but by the statement: a trigger for each row would lock every row once more.
DROP TRIGGER buzz_accounts_keep ON buzz_accounts;
DROP TRIGGER buzz_accounts_follow ON buzz_accounts;
CREATE TRIGGER buzz_accounts_keep BEFORE UPDATE OF id, owner_id, person_id, purpose, currency, guarded ON buzz_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION buzz_guard_account();
-- Depth 0 is a plain UPDATE; those of the triggers of postings, and of what awaits folding, are deeper.
CREATE TRIGGER buzz_accounts_follow BEFORE UPDATE OF balance ON buzz_accounts
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION buzz_guard_account();

-- Moves balances as postings say. An entry of two postings, as most are, is two plain updates; the postings of a longer
-- one are gone through as a set, and those of many entries as another (`buzz_apply_set`).
CREATE OR REPLACE FUNCTION buzz_apply_postings() RETURNS trigger
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    entries bigint[];
    accounts bigint[];
    currencies text[];
    amounts bigint[];
    payer integer := 1;
    balanced boolean;
    known boolean;
    free bigint[];
    done bigint[];
    put integer;
BEGIN
    SELECT array_agg(entry_id), array_agg(account_id), array_agg(currency), array_agg(amount)
      INTO entries, accounts, currencies, amounts FROM added;
    IF entries IS NULL THEN
        RETURN NULL;
    END IF;
    IF cardinality(entries) = 2 AND entries[1] = entries[2] AND currencies[1] = currencies[2]
       AND amounts[1] + amounts[2] = 0 THEN
        IF amounts[1] > 0 THEN
            payer := 2;
        END IF;
        -- The debit of a guarded account waits for its row; a credit, here and below, waits beside it instead.
        UPDATE buzz_accounts SET balance = balance + amounts[payer]
         WHERE id = accounts[payer] AND currency = currencies[1] AND guarded
           AND EXISTS (SELECT FROM buzz_entries e WHERE e.id = entries[1]);
        IF FOUND THEN
            UPDATE buzz_accounts SET balance = balance - amounts[payer]
             WHERE id = (SELECT id FROM buzz_accounts
                          WHERE id = accounts[3 - payer] AND currency = currencies[1] FOR NO KEY UPDATE SKIP LOCKED);
            IF FOUND THEN
                RETURN NULL;
            END IF;
            done := accounts[payer:payer];
        END IF;
    ELSIF entries[1] <> ANY (entries) THEN
        PERFORM buzz_apply_set(entries, accounts, currencies, amounts);
        RETURN NULL;
    END IF;
    IF done IS NULL THEN
        -- Of a currency that is none of these there is no account, which is found out below.
        SELECT coalesce(sum(amount) FILTER (WHERE currency = 'blue'), 0) = 0
               AND coalesce(sum(amount) FILTER (WHERE currency = 'green'), 0) = 0
               AND coalesce(sum(amount) FILTER (WHERE currency = 'yellow'), 0) = 0
               AND coalesce(sum(amount) FILTER (WHERE currency = 'cash'), 0) = 0,
               EXISTS (SELECT FROM buzz_entries e WHERE e.id = entries[1])
          INTO balanced, known FROM added;
        IF NOT balanced THEN
            RAISE EXCEPTION 'entry % does not sum to zero', entries[1] USING ERRCODE = 'check_violation';
        ELSIF NOT known THEN
            RAISE EXCEPTION 'entry % is not there', entries[1] USING ERRCODE = 'foreign_key_violation';
        END IF;
        free := ARRAY(SELECT id FROM buzz_accounts WHERE id = ANY (accounts) FOR NO KEY UPDATE SKIP LOCKED);
        WITH changed AS (
            UPDATE buzz_accounts a SET balance = a.balance + g.x
              FROM unnest(accounts, currencies, amounts) AS g(i, c, x)
             WHERE a.id = g.i AND a.currency = g.c AND (a.id = ANY (free) OR a.guarded AND g.x < 0)
            RETURNING a.id)
        SELECT array_agg(id) INTO done FROM changed;
        IF cardinality(done) = cardinality(accounts) THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO buzz_unfolded (account_id, amount)
    SELECT a.id, g.x FROM unnest(accounts, currencies, amounts) AS g(i, c, x)
      JOIN buzz_accounts a ON a.id = g.i AND a.currency = g.c
     WHERE g.i <> ALL (coalesce(done, '{}'));
    GET DIAGNOSTICS put = ROW_COUNT;
    IF coalesce(cardinality(done), 0) + put < cardinality(accounts) THEN
        RAISE EXCEPTION 'an account is not there, or holds another currency' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

-- One entry. Given legs are posted as they are, one for an account. With a payer, `p_total` is also taken from the
-- payer's purses in the order of `p_colours`, each colour arriving as itself at the payee. All locks are taken in the
-- order of account ids.
-- status: posted | replayed | other_body | short | frozen. `colours` and `parts` say what was taken of which purse;
-- with `short`, `missing` is what lacks.
CREATE OR REPLACE FUNCTION buzz_post(
    p_key text, p_type text, p_fingerprint bytea, p_description text, p_details jsonb,
    p_subject_kind text, p_subject_id bigint, p_actor bigint, p_reverses bigint, p_at timestamptz,
    p_owners bigint[], p_purposes text[], p_currencies text[], p_amounts bigint[],
    p_payer bigint, p_from text, p_colours text[], p_total bigint, p_payee bigint, p_to text, p_forced boolean,
    OUT status text, OUT entry_id bigint, OUT colours text[], OUT parts bigint[], OUT missing bigint
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    ids bigint[];
    leg_currencies text[] := p_currencies;
    amounts bigint[] := p_amounts;
    moved bigint[];
    purses bigint[];
    targets bigint[];
    held bigint[];
    has bigint[];
    frozen boolean;
    known bytea;
    rest bigint;
    part bigint;
BEGIN
    IF cardinality(p_owners) > 0 THEN
        SELECT array_agg(a.id ORDER BY n) INTO ids
          FROM unnest(p_owners, p_purposes, p_currencies) WITH ORDINALITY AS l(o, p, c, n)
          LEFT JOIN buzz_accounts a ON a.owner_id = o AND a.purpose = p AND a.currency = c;
        IF array_position(ids, NULL) IS NOT NULL THEN
            ids := buzz_accounts_of(p_owners, p_purposes, p_currencies);
        END IF;
    END IF;
    IF p_payer IS NOT NULL THEN
        SELECT array_agg(f.id ORDER BY n), array_agg(t.id ORDER BY n) INTO purses, targets
          FROM unnest(p_colours) WITH ORDINALITY AS g(c, n)
          LEFT JOIN buzz_accounts f ON f.owner_id = p_payer AND f.purpose = p_from AND f.currency = c
          LEFT JOIN buzz_accounts t ON t.owner_id = p_payee AND t.purpose = p_to AND t.currency = c;
        IF array_position(purses || targets, NULL) IS NOT NULL THEN
            purses := buzz_accounts_of(array_fill(p_payer, ARRAY[cardinality(p_colours)]),
                                       array_fill(p_from, ARRAY[cardinality(p_colours)]), p_colours);
            targets := buzz_accounts_of(array_fill(p_payee, ARRAY[cardinality(p_colours)]),
                                        array_fill(p_to, ARRAY[cardinality(p_colours)]), p_colours);
        END IF;
    END IF;
    -- The rows of whoever pays, and what lacks for the legs. What waits to be folded counts only where it is needed.
    FOR round IN 1 .. 2 LOOP
        IF ids IS NULL THEN
            -- A charge alone, as most are.
            SELECT array_agg(l.id), array_agg(l.balance), bool_or(l.frozen_at IS NOT NULL) INTO held, has, frozen
              FROM (SELECT a.id, a.balance, a.frozen_at FROM buzz_accounts a
                     WHERE a.id = ANY (purses) AND a.guarded ORDER BY a.id FOR NO KEY UPDATE OF a) l;
        ELSE
            SELECT array_agg(l.id), array_agg(l.balance), bool_or(l.frozen_at IS NOT NULL), -sum(least(0, l.balance + l.x))
              INTO held, has, frozen, missing
              FROM (SELECT a.id, a.balance, a.frozen_at, g.x
                      FROM unnest(ids || purses, amounts) AS g(i, x) JOIN buzz_accounts a ON a.id = g.i
                     WHERE a.guarded AND (g.x < 0 OR g.x IS NULL) ORDER BY a.id FOR NO KEY UPDATE OF a) l;
        END IF;
        EXIT WHEN round = 2 OR held IS NULL OR (missing IS NOT DISTINCT FROM 0 AND p_payer IS NULL);
        EXIT WHEN NOT EXISTS (SELECT FROM buzz_unfolded u WHERE u.account_id = ANY (held));
        DELETE FROM buzz_unfolded u WHERE u.account_id = ANY (held);
    END LOOP;
    IF frozen AND NOT p_forced THEN
        status := 'frozen';
    ELSIF missing > 0 THEN
        status := 'short';
    ELSIF p_payer IS NOT NULL THEN
        rest := p_total;
        colours := '{}';
        parts := '{}';
        FOR at IN 1 .. cardinality(purses) LOOP
            EXIT WHEN rest = 0;
            -- A purse that is not among the rows held is not guarded: it never runs dry.
            part := least(rest, greatest(0, coalesce(has[array_position(held, purses[at])], rest)
                                            + coalesce(p_amounts[array_position(ids, purses[at])], 0)));
            CONTINUE WHEN part = 0;
            rest := rest - part;
            colours := colours || p_colours[at];
            parts := parts || part;
            moved := moved || purses[at] || targets[at];
            leg_currencies := leg_currencies || p_colours[at] || p_colours[at];
            amounts := amounts || -part || part;
        END LOOP;
        missing := NULL;
        IF rest > 0 THEN
            status := 'short';
            missing := rest;
        END IF;
    ELSE
        missing := NULL;
    END IF;
    IF status IS NULL THEN
        INSERT INTO buzz_entries (key, type, fingerprint, description, details, subject_kind, subject_id,
                                  actor_id, reverses_id, created_at)
        VALUES (p_key, p_type, p_fingerprint, p_description, p_details, p_subject_kind, p_subject_id,
                p_actor, p_reverses, p_at)
        ON CONFLICT (key) DO NOTHING RETURNING id INTO entry_id;
    END IF;
    IF entry_id IS NULL THEN
        -- The same key was here before, and has committed by now; else it stays at what was found above.
        SELECT e.id, e.fingerprint INTO entry_id, known FROM buzz_entries e WHERE e.key = p_key;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        missing := NULL;
        colours := NULL;
        parts := NULL;
        IF known <> p_fingerprint THEN
            status := 'other_body';
            RETURN;
        END IF;
        status := 'replayed';
        SELECT array_agg(s.currency ORDER BY array_position(p_colours, s.currency)),
               array_agg(-s.amount ORDER BY array_position(p_colours, s.currency))
          INTO colours, parts
          FROM buzz_postings s
         WHERE s.entry_id = buzz_post.entry_id AND s.account_id = ANY (purses) AND s.amount < 0;
        RETURN;
    END IF;
    status := 'posted';
    IF p_payer IS NULL THEN
        INSERT INTO buzz_postings (entry_id, account_id, currency, amount)
        SELECT buzz_post.entry_id, i, c, x FROM unnest(ids, p_currencies, p_amounts) AS l(i, c, x);
    ELSIF ids IS NULL THEN
        INSERT INTO buzz_postings (entry_id, account_id, currency, amount)
        SELECT buzz_post.entry_id, i, c, x FROM unnest(moved, leg_currencies, amounts) AS l(i, c, x);
    ELSE
        -- A purse may stand among the legs too.
        INSERT INTO buzz_postings (entry_id, account_id, currency, amount)
        SELECT buzz_post.entry_id, i, c, sum(x) FROM unnest(ids || moved, leg_currencies, amounts) AS l(i, c, x)
         GROUP BY i, c HAVING sum(x) <> 0;
    END IF;
END $$;

-- Sets `p_total` of a person's purses aside, in the order of `p_colours`, under a key. Statuses as of `buzz_post`;
-- a replay gives the hold as it stands now.
CREATE OR REPLACE FUNCTION buzz_reserve(
    p_key text, p_person bigint, p_colours text[], p_total bigint, p_type text, p_fingerprint bytea,
    p_description text, p_subject_kind text, p_subject_id bigint, p_actor bigint, p_at timestamptz, p_expires timestamptz,
    OUT status text, OUT missing bigint, OUT hold buzz_holds
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    purse bigint;
    has bigint;
    goal bigint;
    made bigint;
    posted record;
    taken jsonb;
BEGIN
    IF cardinality(p_colours) = 1 THEN
        -- One purse that is there, has enough and is not frozen. Whatever else is so is found out by `buzz_post`, which
        -- takes the same lock again and no other before it.
        SELECT w.id, w.balance, h.id INTO purse, has, goal
          FROM buzz_accounts w
          JOIN buzz_accounts h ON h.owner_id = p_person AND h.purpose = 'held' AND h.currency = p_colours[1]
         WHERE w.owner_id = p_person AND w.purpose = 'wallet' AND w.currency = p_colours[1] AND w.frozen_at IS NULL
           FOR NO KEY UPDATE OF w;
        IF has >= p_total THEN
            INSERT INTO buzz_entries AS e (key, type, fingerprint, description, details, subject_kind, subject_id,
                                      actor_id, created_at)
            VALUES ('hold:' || p_key, p_type, p_fingerprint, p_description, '{"hold": "reserve"}', p_subject_kind,
                    p_subject_id, p_actor, p_at)
            ON CONFLICT (key) DO NOTHING RETURNING e.id INTO made;
            IF made IS NOT NULL THEN
                INSERT INTO buzz_postings (entry_id, account_id, currency, amount)
                VALUES (made, purse, p_colours[1], -p_total), (made, goal, p_colours[1], p_total);
                taken := jsonb_build_array(jsonb_build_array(p_colours[1], p_total));
                INSERT INTO buzz_holds (key, person_id, entry_id, type, description, subject_kind, subject_id, reserved,
                                        remaining, created_at, expires_at)
                VALUES (p_key, p_person, made, p_type, p_description, p_subject_kind, p_subject_id, taken, taken, p_at,
                        p_expires)
                RETURNING * INTO hold;
                status := 'posted';
                RETURN;
            END IF;
        END IF;
    END IF;
    SELECT * INTO posted FROM buzz_post(
        'hold:' || p_key, p_type, p_fingerprint, p_description, '{"hold": "reserve"}', p_subject_kind, p_subject_id,
        p_actor, NULL, p_at, '{}', '{}', '{}', '{}', p_person, 'wallet', p_colours, p_total, p_person, 'held', false);
    status := posted.status;
    missing := posted.missing;
    IF status = 'posted' THEN
        SELECT jsonb_agg(jsonb_build_array(c, x) ORDER BY n) INTO taken
          FROM unnest(posted.colours, posted.parts) WITH ORDINALITY AS g(c, x, n);
        INSERT INTO buzz_holds (key, person_id, entry_id, type, description, subject_kind, subject_id, reserved,
                                remaining, created_at, expires_at)
        VALUES (p_key, p_person, posted.entry_id, p_type, p_description, p_subject_kind, p_subject_id, taken,
                taken, p_at, p_expires)
        RETURNING * INTO hold;
    ELSIF status = 'replayed' THEN
        SELECT * INTO hold FROM buzz_holds h WHERE h.key = p_key;
    END IF;
END $$;

-- Spends what is held, or `p_amount` of it, in the order in which it was taken; `p_final` gives the rest back.
-- status: posted | replayed | other_body | no_hold | ended | too_large.
CREATE OR REPLACE FUNCTION buzz_capture(
    p_hold bigint, p_key text, p_fingerprint bytea, p_amount bigint, p_owner bigint, p_purpose text, p_type text,
    p_description text, p_final boolean, p_at timestamptz, OUT status text, OUT entry_id bigint
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    hold buzz_holds;
    known bytea;
    full_key text := 'capture:' || p_hold || ':' || p_key;
    colour text;
    lies bigint;
    part bigint;
    wanted bigint := p_amount;
    -- What is spent of each colour, what stays of it, and the pairs that stay.
    colours text[] := '{}';
    parts bigint[] := '{}';
    rests bigint[] := '{}';
    kept jsonb := '[]';
    back boolean;
    source bigint;
    has bigint;
    goal bigint;
BEGIN
    SELECT * INTO hold FROM buzz_holds h WHERE h.id = p_hold FOR UPDATE;
    IF NOT FOUND THEN
        status := 'no_hold';
        RETURN;
    END IF;
    FOR at IN 0 .. jsonb_array_length(hold.remaining) - 1 LOOP
        colour := hold.remaining -> at ->> 0;
        lies := hold.remaining -> at ->> 1;
        part := least(lies, wanted);
        wanted := wanted - part;
        colours := colours || colour;
        parts := parts || part;
        rests := rests || lies - part;
        IF part < lies THEN
            kept := kept || jsonb_build_array(jsonb_build_array(colour, lies - part));
        END IF;
    END LOOP;
    IF hold.status <> 'open' OR hold.expires_at <= p_at OR p_amount <= 0 OR wanted > 0 THEN
        SELECT e.id, e.fingerprint INTO entry_id, known FROM buzz_entries e WHERE e.key = full_key;
        status := CASE WHEN known = p_fingerprint THEN 'replayed' WHEN known IS NOT NULL THEN 'other_body'
                       WHEN hold.status <> 'open' OR hold.expires_at <= p_at THEN 'ended' ELSE 'too_large' END;
        RETURN;
    END IF;
    back := p_final AND kept <> '[]';
    IF cardinality(colours) = 1 THEN
        -- One colour, which lies where it can be taken. Whatever else is so is found out by `buzz_post`.
        SELECT h.id, h.balance, t.id INTO source, has, goal
          FROM buzz_accounts h
          JOIN buzz_accounts t ON t.owner_id = p_owner AND t.purpose = p_purpose AND t.currency = colours[1]
         WHERE h.owner_id = hold.person_id AND h.purpose = 'held' AND h.currency = colours[1] AND h.frozen_at IS NULL
           FOR NO KEY UPDATE OF h;
        IF has >= parts[1] THEN
            INSERT INTO buzz_entries AS e (key, type, fingerprint, description, details, subject_kind, subject_id, created_at)
            VALUES (full_key, coalesce(p_type, hold.type), p_fingerprint,
                    coalesce(nullif(p_description, ''), hold.description), '{"hold": "capture"}', hold.subject_kind,
                    hold.subject_id, p_at)
            ON CONFLICT (key) DO NOTHING RETURNING e.id INTO entry_id;
            IF entry_id IS NOT NULL THEN
                INSERT INTO buzz_postings (entry_id, account_id, currency, amount)
                VALUES (entry_id, source, colours[1], -parts[1]), (entry_id, goal, colours[1], parts[1]);
            END IF;
        END IF;
    ELSIF back THEN
        -- Both entries take from these: their rows are taken in one order before either does.
        PERFORM FROM buzz_accounts a WHERE a.owner_id = hold.person_id AND a.purpose = 'held'
                                       AND a.currency = ANY (colours) ORDER BY a.id FOR NO KEY UPDATE;
    END IF;
    IF entry_id IS NOT NULL THEN
        status := 'posted';
    ELSE
        SELECT p.status, p.entry_id INTO status, entry_id FROM (
            SELECT array_agg(o) AS owners, array_agg(u) AS purposes, array_agg(c) AS currencies, array_agg(x) AS amounts
              FROM (SELECT hold.person_id AS o, 'held' AS u, c, -x AS x FROM unnest(colours, parts) AS g(c, x) WHERE x > 0
                    UNION ALL SELECT p_owner, p_purpose, c, x FROM unnest(colours, parts) AS g(c, x) WHERE x > 0) l) legs,
            buzz_post(full_key, coalesce(p_type, hold.type), p_fingerprint,
                      coalesce(nullif(p_description, ''), hold.description), '{"hold": "capture"}', hold.subject_kind,
                      hold.subject_id, NULL, NULL, p_at, legs.owners, legs.purposes, legs.currencies, legs.amounts,
                      NULL, NULL, NULL, NULL, NULL, NULL, false) AS p;
    END IF;
    IF status <> 'posted' THEN
        IF status NOT IN ('replayed', 'other_body') THEN
            RAISE EXCEPTION 'hold % says that more is held than there is', p_hold;
        END IF;
        RETURN;
    END IF;
    UPDATE buzz_holds h
       SET remaining = CASE WHEN back THEN '[]' ELSE kept END,
           status = CASE WHEN back OR kept = '[]' THEN 'captured' ELSE h.status END,
           ended_at = CASE WHEN back OR kept = '[]' THEN p_at END
     WHERE h.id = p_hold;
    IF back THEN
        PERFORM buzz_post(
            'return:' || p_hold, hold.type, sha256(convert_to('return:' || p_hold, 'UTF8')), hold.description,
            '{"hold": "return"}', hold.subject_kind, hold.subject_id, NULL, NULL, p_at,
            array_agg(hold.person_id), array_agg(u), array_agg(c), array_agg(x),
            NULL, NULL, NULL, NULL, NULL, NULL, false)
           FROM (SELECT 'held' AS u, c, -x AS x FROM unnest(colours, rests) AS g(c, x) WHERE x > 0
                 UNION ALL SELECT 'wallet', c, x FROM unnest(colours, rests) AS g(c, x) WHERE x > 0) l;
        -- What came back may be spent with the same API key again.
        UPDATE key_spends s SET quarters = greatest(s.quarters - x, 0)
          FROM unnest(colours, rests) AS g(c, x)
         WHERE x > 0 AND s.entry_id = hold.entry_id AND s.currency = g.c;
    END IF;
END $$;
