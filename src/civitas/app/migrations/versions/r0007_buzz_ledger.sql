-- The ledger's own rules. What is said here holds whoever writes, by whatever road:
--   an entry's postings sum to zero in every currency, statement by statement;
--   the sum of an account's postings is its balance and what awaits folding, always;
--   no guarded account goes below zero; nothing posted is ever changed.

-- What an account is for is weighed once, when it is made, and never changes: as constraints these rules would be
-- weighed again at every posting, which costs more than all else that a posting does.
CREATE FUNCTION buzz_new_account() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text := split_part(NEW.purpose, ':', 1);
    house boolean := NEW.owner_id = 0;
BEGIN
    IF NEW.balance <> 0 THEN
        RAISE EXCEPTION 'an account begins empty' USING ERRCODE = 'restrict_violation';
    END IF;
    -- Which colours a purpose can hold (FEATURES I1): blue is never banked, cash is never in a wallet.
    IF NEW.currency NOT IN ('blue', 'green', 'yellow', 'cash')
       OR NEW.purpose !~ '^[a-z]+(:[A-Za-z0-9_.-]{1,80})?$'
       OR NOT (CASE WHEN house THEN kind IN ('mint', 'burn', 'escrow', 'pool', 'revenue', 'world')
                   ELSE kind IN ('wallet', 'held', 'bank', 'pending', 'settled') END)
       OR NOT (CASE kind WHEN 'wallet' THEN NEW.currency <> 'cash'
                        WHEN 'bank' THEN NEW.currency IN ('green', 'yellow')
                        WHEN 'pending' THEN NEW.currency = 'cash' WHEN 'settled' THEN NEW.currency = 'cash'
                         ELSE true END)
       OR NEW.guarded <> (NOT house OR kind IN ('escrow', 'pool')) THEN
        RAISE EXCEPTION 'there is no account of % for % in % (guarded: %)',
              NEW.owner_id, NEW.purpose, NEW.currency, NEW.guarded USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION buzz_guard_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an account stays what it is, and its balance follows its postings only'
          USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER buzz_accounts_begin BEFORE INSERT ON buzz_accounts
    FOR EACH ROW EXECUTE FUNCTION buzz_new_account();
CREATE TRIGGER buzz_accounts_keep BEFORE UPDATE OF id, owner_id, purpose, currency, guarded ON buzz_accounts
    FOR EACH ROW EXECUTE FUNCTION buzz_guard_account();
-- Depth 0 is a plain UPDATE; those of the triggers of postings, and of what awaits folding, are deeper.
CREATE TRIGGER buzz_accounts_follow BEFORE UPDATE OF balance ON buzz_accounts
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION buzz_guard_account();
CREATE TRIGGER buzz_accounts_stay BEFORE DELETE ON buzz_accounts
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER buzz_accounts_no_truncate BEFORE TRUNCATE ON buzz_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER buzz_entries_append_only BEFORE UPDATE OR DELETE ON buzz_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER buzz_entries_no_truncate BEFORE TRUNCATE ON buzz_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER buzz_postings_append_only BEFORE UPDATE OR DELETE ON buzz_postings
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER buzz_postings_no_truncate BEFORE TRUNCATE ON buzz_postings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A credit never waits: when the row of its account is taken, the amount is put down beside it and added later. A
-- debit of a guarded account waits for the row, because it must not be sold twice. The postings of one entry are
-- gone through one by one, those of many as a set: each is several times quicker at what it is for.
CREATE FUNCTION buzz_apply_postings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    low bigint;
    high bigint;
    balanced boolean;
    accounts bigint[];
    currencies text[];
    amounts bigint[];
BEGIN
    -- Of a currency that is none of these there is no account, which is found out below.
    SELECT min(entry_id), max(entry_id), array_agg(account_id), array_agg(currency), array_agg(amount),
           coalesce(sum(amount) FILTER (WHERE currency = 'blue'), 0) = 0
           AND coalesce(sum(amount) FILTER (WHERE currency = 'green'), 0) = 0
           AND coalesce(sum(amount) FILTER (WHERE currency = 'yellow'), 0) = 0
           AND coalesce(sum(amount) FILTER (WHERE currency = 'cash'), 0) = 0
      INTO low, high, accounts, currencies, amounts, balanced FROM added;
    IF low < high THEN
        PERFORM buzz_apply_set((SELECT array_agg(entry_id) FROM added), accounts, currencies, amounts);
        RETURN NULL;
    END IF;
    IF NOT balanced THEN
        RAISE EXCEPTION 'entry % does not sum to zero', low USING ERRCODE = 'check_violation';
    END IF;
    IF low IS NULL THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (SELECT FROM buzz_entries WHERE id = low) THEN
        RAISE EXCEPTION 'entry % is not there', low USING ERRCODE = 'foreign_key_violation';
    END IF;
    FOR at IN 1 .. cardinality(accounts) LOOP
        IF amounts[at] < 0 THEN
            UPDATE buzz_accounts SET balance = balance + amounts[at]
             WHERE id = accounts[at] AND currency = currencies[at] AND guarded;
            CONTINUE WHEN FOUND;
        END IF;
        UPDATE buzz_accounts SET balance = balance + amounts[at]
         WHERE id = (SELECT id FROM buzz_accounts
                      WHERE id = accounts[at] AND currency = currencies[at] FOR NO KEY UPDATE SKIP LOCKED);
        CONTINUE WHEN FOUND;
        INSERT INTO buzz_unfolded (account_id, amount)
        SELECT id, amounts[at] FROM buzz_accounts WHERE id = accounts[at] AND currency = currencies[at];
        IF NOT FOUND THEN
            RAISE EXCEPTION 'account % is not there, or holds another currency', accounts[at]
                  USING ERRCODE = 'foreign_key_violation';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

CREATE FUNCTION buzz_apply_set(p_entries bigint[], p_accounts bigint[], p_currencies text[], p_amounts bigint[])
RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    wrong bigint;
    ids bigint[];
    sums bigint[];
    currencies text[];
    known bigint;
    debits bigint[];
    free bigint[];
BEGIN
    SELECT e INTO wrong FROM unnest(p_entries, p_currencies, p_amounts) AS g(e, c, x)
     GROUP BY e, c HAVING sum(x) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % does not sum to zero', wrong USING ERRCODE = 'check_violation';
    END IF;
    SELECT g.e INTO wrong FROM (SELECT DISTINCT e FROM unnest(p_entries) AS u(e)) g
     WHERE NOT EXISTS (SELECT FROM buzz_entries WHERE id = g.e) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % is not there', wrong USING ERRCODE = 'foreign_key_violation';
    END IF;
    SELECT array_agg(i), array_agg(c), array_agg(x) INTO ids, currencies, sums
      FROM (SELECT i, c, sum(x)::bigint AS x FROM unnest(p_accounts, p_currencies, p_amounts) AS g(i, c, x)
             GROUP BY i, c) m;
    SELECT count(*), array_agg(a.id) FILTER (WHERE a.guarded AND x < 0),
           array_agg(a.id) FILTER (WHERE NOT a.guarded OR x >= 0)
      INTO known, debits, free
      FROM unnest(ids, currencies, sums) AS m(i, c, x) JOIN buzz_accounts a ON a.id = i AND a.currency = c;
    IF known < cardinality(ids) THEN
        RAISE EXCEPTION 'an account is not there, or holds another currency' USING ERRCODE = 'foreign_key_violation';
    END IF;
    free := ARRAY(SELECT id FROM buzz_accounts WHERE id = ANY (free)
                   ORDER BY id FOR NO KEY UPDATE SKIP LOCKED) || debits;
    UPDATE buzz_accounts a SET balance = a.balance + m.x FROM unnest(ids, sums) AS m(i, x)
     WHERE a.id = m.i AND m.i IN (SELECT unnest(free));
    IF cardinality(free) < cardinality(ids) THEN
        INSERT INTO buzz_unfolded (account_id, amount)
        SELECT i, x FROM unnest(ids, sums) AS m(i, x) WHERE i NOT IN (SELECT unnest(free));
    END IF;
END $$;

CREATE TRIGGER buzz_postings_apply AFTER INSERT ON buzz_postings
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION buzz_apply_postings();

CREATE FUNCTION buzz_guard_unfolded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'what awaits folding comes from postings only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER buzz_unfolded_guard BEFORE INSERT OR UPDATE ON buzz_unfolded
    FOR EACH STATEMENT EXECUTE FUNCTION buzz_guard_unfolded();
CREATE TRIGGER buzz_unfolded_no_truncate BEFORE TRUNCATE ON buzz_unfolded
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION buzz_apply_unfolded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE buzz_accounts a SET balance = a.balance + m.amount
      FROM (SELECT account_id, sum(amount)::bigint AS amount FROM gone GROUP BY account_id) m
     WHERE a.id = m.account_id;
    RETURN NULL;
END $$;

CREATE TRIGGER buzz_unfolded_apply AFTER DELETE ON buzz_unfolded
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION buzz_apply_unfolded();

-- The account of an owner, made when it is first named. Owner 0 is the house.
CREATE FUNCTION buzz_account(p_owner bigint, p_purpose text, p_currency text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE found bigint;
BEGIN
    SELECT id INTO found FROM buzz_accounts
     WHERE owner_id = p_owner AND purpose = p_purpose AND currency = p_currency;
    IF found IS NULL THEN
        INSERT INTO buzz_accounts (owner_id, purpose, currency, guarded)
        VALUES (p_owner, p_purpose, p_currency,
                p_owner <> 0 OR split_part(p_purpose, ':', 1) IN ('escrow', 'pool'))
        ON CONFLICT (owner_id, purpose, currency) DO NOTHING
        RETURNING id INTO found;
        IF found IS NULL THEN
            SELECT id INTO found FROM buzz_accounts
             WHERE owner_id = p_owner AND purpose = p_purpose AND currency = p_currency;
        END IF;
    END IF;
    RETURN found;
END $$;

-- The accounts of many owners in the order asked for; those that were never named before are made.
CREATE FUNCTION buzz_accounts_of(p_owners bigint[], p_purposes text[], p_currencies text[]) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE found bigint[];
BEGIN
    SELECT array_agg(a.id ORDER BY n) INTO found
      FROM unnest(p_owners, p_purposes, p_currencies) WITH ORDINALITY AS l(o, p, c, n)
      LEFT JOIN buzz_accounts a ON a.owner_id = o AND a.purpose = p AND a.currency = c;
    IF array_position(found, NULL) IS NOT NULL THEN
        -- Everybody makes missing ones in the same order: two who make the same two never wait for one another.
        found := ARRAY(SELECT made.id
                         FROM (SELECT sorted.n, buzz_account(sorted.o, sorted.p, sorted.c) AS id
                                 FROM (SELECT l.o, l.p, l.c, l.n
                                         FROM unnest(p_owners, p_purposes, p_currencies)
                                              WITH ORDINALITY AS l(o, p, c, n)
                                        ORDER BY l.o, l.p, l.c) AS sorted
                               OFFSET 0) AS made
                        ORDER BY made.n);
    END IF;
    RETURN found;
END $$;

-- Adds what awaits folding to up to `p_most` accounts whose rows are free; how many it reached.
CREATE FUNCTION buzz_fold(p_most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE accounts bigint[];
BEGIN
    accounts := ARRAY(
        SELECT a.id FROM buzz_accounts a
         WHERE a.id IN (SELECT DISTINCT account_id FROM buzz_unfolded)
         ORDER BY a.id LIMIT p_most FOR NO KEY UPDATE OF a SKIP LOCKED);
    DELETE FROM buzz_unfolded WHERE account_id = ANY (accounts);
    RETURN cardinality(accounts);
END $$;

-- One entry. Given legs are posted as they are, one for an account. With a payer, `p_total` is also taken from the
-- payer's purses in the order of `p_colours`, each colour arriving as itself at the payee. All locks are taken in the
-- order of account ids.
-- status: posted | replayed | other_body | short | frozen. `colours` and `parts` say what was taken of which purse;
-- with `short`, `missing` is what lacks.
CREATE FUNCTION buzz_post(
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
        SELECT array_agg(l.id), array_agg(l.balance), bool_or(l.frozen_at IS NOT NULL), -sum(least(0, l.balance + l.x))
          INTO held, has, frozen, missing
          FROM (SELECT a.id, a.balance, a.frozen_at, g.x
                  FROM unnest(ids || purses, amounts) AS g(i, x) JOIN buzz_accounts a ON a.id = g.i
                 WHERE a.guarded AND (g.x < 0 OR g.x IS NULL) ORDER BY a.id FOR NO KEY UPDATE OF a) l;
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
    ELSE
        -- A purse may stand among the legs too.
        INSERT INTO buzz_postings (entry_id, account_id, currency, amount)
        SELECT buzz_post.entry_id, i, c, sum(x) FROM unnest(ids || moved, leg_currencies, amounts) AS l(i, c, x)
         GROUP BY i, c HAVING sum(x) <> 0;
    END IF;
END $$;

-- Many entries at once, all or none. Entries whose key is known are left out, after their body was compared. Legs
-- name their entry by its place, from 1, and each account once in an entry. Returns a row an entry, in order.
-- Raises: P0001 with `other_body <key>`, or `short <owner> <purpose> <currency> <missing>`, or `frozen ...`.
CREATE FUNCTION buzz_post_batch(
    p_keys text[], p_types text[], p_fingerprints bytea[], p_descriptions text[], p_details jsonb[],
    p_subject_kinds text[], p_subject_ids bigint[], p_actors bigint[],
    p_reverses bigint[], p_at timestamptz,
    p_entries integer[], p_owners bigint[], p_purposes text[], p_currencies text[], p_amounts bigint[]
) RETURNS TABLE (entry_id bigint, replayed boolean) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    wrong text;
    ids bigint[];
    debits bigint[];
    known bigint[];
    made bigint[];
    wanted bigint;
    written bigint;
BEGIN
    SELECT array_agg(a.id ORDER BY n) INTO ids
      FROM unnest(p_owners, p_purposes, p_currencies) WITH ORDINALITY AS l(o, p, c, n)
      LEFT JOIN buzz_accounts a ON a.owner_id = o AND a.purpose = p AND a.currency = c;
    IF array_position(ids, NULL) IS NOT NULL THEN
        -- Made in one order, so that two batches that make the same ones cannot wait for each other.
        PERFORM buzz_account(o, p, c)
           FROM (SELECT DISTINCT o, p, c FROM unnest(ids, p_owners, p_purposes, p_currencies) AS l(i, o, p, c)
                  WHERE i IS NULL ORDER BY 1, 2, 3) l;
        ids := buzz_accounts_of(p_owners, p_purposes, p_currencies);
    END IF;
    debits := ARRAY(
        SELECT a.id FROM buzz_accounts a
         WHERE a.id IN (SELECT i FROM unnest(ids, p_amounts) AS l(i, x) WHERE x < 0) AND a.guarded
         ORDER BY a.id FOR NO KEY UPDATE OF a);
    SELECT array_agg(e.id ORDER BY n), min(k) FILTER (WHERE e.fingerprint <> f) INTO known, wrong
      FROM unnest(p_keys, p_fingerprints) WITH ORDINALITY AS g(k, f, n) LEFT JOIN buzz_entries e ON e.key = k;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'other_body %', wrong;
    END IF;
    DELETE FROM buzz_unfolded u WHERE u.account_id = ANY (debits);
    SELECT (CASE WHEN a.frozen_at IS NOT NULL THEN 'frozen ' ELSE 'short ' END)
           || a.owner_id || ' ' || a.purpose || ' ' || a.currency || ' ' || greatest(0, -a.balance - s.amount)
      INTO wrong
      FROM (SELECT i, sum(x) AS amount FROM unnest(p_entries, ids, p_amounts) AS l(n, i, x)
             WHERE known[n] IS NULL GROUP BY i HAVING sum(x) < 0) s
      JOIN buzz_accounts a ON a.id = s.i AND a.guarded
     WHERE a.balance + s.amount < 0 OR a.frozen_at IS NOT NULL
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '%', wrong;
    END IF;
    made := ARRAY(SELECT CASE WHEN k IS NULL THEN nextval('buzz_entries_id_seq') END
                    FROM unnest(known) WITH ORDINALITY AS g(k, n) ORDER BY n);
    INSERT INTO buzz_entries (id, key, type, fingerprint, description, details, subject_kind, subject_id,
                              actor_id, reverses_id, created_at)
    SELECT g.id, g.key, g.type, g.fingerprint, g.description, g.details, g.subject_kind, g.subject_id,
           g.actor_id, g.reverses_id, p_at
      FROM unnest(made, p_keys, p_types, p_fingerprints, p_descriptions, p_details, p_subject_kinds,
                  p_subject_ids, p_actors, p_reverses)
           AS g(id, key, type, fingerprint, description, details, subject_kind, subject_id, actor_id, reverses_id)
     -- Batches with the same keys wait for each other in one order.
     WHERE g.id IS NOT NULL ORDER BY g.key
    ON CONFLICT (key) DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    SELECT count(m) INTO wanted FROM unnest(made) AS m;
    IF written < wanted THEN
        -- Somebody posted some of these a moment ago.
        SELECT array_agg(e.id ORDER BY n), min(k) FILTER (WHERE e.fingerprint <> f) INTO known, wrong
          FROM unnest(p_keys, p_fingerprints) WITH ORDINALITY AS g(k, f, n) JOIN buzz_entries e ON e.key = k;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'other_body %', wrong;
        END IF;
        made := ARRAY(SELECT nullif(m, nullif(m, k)) FROM unnest(made, known) WITH ORDINALITY AS g(m, k, n) ORDER BY n);
    END IF;
    INSERT INTO buzz_postings (entry_id, account_id, currency, amount)
    SELECT made[n], i, c, x FROM unnest(p_entries, ids, p_currencies, p_amounts) AS l(n, i, c, x)
     WHERE made[n] IS NOT NULL;
    RETURN QUERY SELECT coalesce(m, k), m IS NULL FROM unnest(made, known) WITH ORDINALITY AS g(m, k, n) ORDER BY n;
END $$;

-- Sets `p_total` of a person's purses aside, in the order of `p_colours`, under a key. Statuses as of `buzz_post`;
-- a replay gives the hold as it stands now.
CREATE FUNCTION buzz_reserve(
    p_key text, p_person bigint, p_colours text[], p_total bigint, p_type text, p_fingerprint bytea,
    p_description text, p_subject_kind text, p_subject_id bigint, p_actor bigint, p_at timestamptz, p_expires timestamptz,
    OUT status text, OUT missing bigint, OUT hold buzz_holds
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    posted record;
    taken jsonb;
BEGIN
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
CREATE FUNCTION buzz_capture(
    p_hold bigint, p_key text, p_fingerprint bytea, p_amount bigint, p_owner bigint, p_purpose text, p_type text,
    p_description text, p_final boolean, p_at timestamptz, OUT status text, OUT entry_id bigint
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    hold buzz_holds;
    known bytea;
    full_key text := 'capture:' || p_hold || ':' || p_key;
    colours text[];
    parts bigint[];
    rests bigint[];
    kept jsonb;
    back boolean;
BEGIN
    SELECT * INTO hold FROM buzz_holds h WHERE h.id = p_hold FOR UPDATE;
    IF NOT FOUND THEN
        status := 'no_hold';
        RETURN;
    END IF;
    -- Of each colour: how much of the amount is left for it when the colours before it are spent.
    SELECT array_agg(c ORDER BY n), array_agg(least(x, greatest(wanted - before, 0)) ORDER BY n),
           array_agg(x - least(x, greatest(wanted - before, 0)) ORDER BY n),
           coalesce(jsonb_agg(jsonb_build_array(c, x - greatest(wanted - before, 0)) ORDER BY n)
                    FILTER (WHERE x > greatest(wanted - before, 0)), '[]'),
           CASE WHEN max(wanted) > 0 AND max(wanted) <= sum(x) THEN 'posted' ELSE 'too_large' END
      INTO colours, parts, rests, kept, status
      FROM (SELECT c, x, n, sum(x) OVER (ORDER BY n) - x AS before, coalesce(p_amount, sum(x) OVER ()) AS wanted
              FROM (SELECT part ->> 0 AS c, (part ->> 1)::bigint AS x, n
                      FROM jsonb_array_elements(hold.remaining) WITH ORDINALITY AS g(part, n)) p) q;
    IF hold.status <> 'open' OR hold.expires_at <= p_at OR status = 'too_large' THEN
        SELECT e.id, e.fingerprint INTO entry_id, known FROM buzz_entries e WHERE e.key = full_key;
        status := CASE WHEN known = p_fingerprint THEN 'replayed' WHEN known IS NOT NULL THEN 'other_body'
                       WHEN hold.status <> 'open' OR hold.expires_at <= p_at THEN 'ended' ELSE status END;
        RETURN;
    END IF;
    back := p_final AND kept <> '[]';
    IF back THEN
        -- Both entries take from these: their rows are taken in one order before either does.
        PERFORM FROM buzz_accounts a WHERE a.owner_id = hold.person_id AND a.purpose = 'held'
                                       AND a.currency = ANY (colours) ORDER BY a.id FOR NO KEY UPDATE;
    END IF;
    SELECT p.status, p.entry_id INTO status, entry_id FROM (
        SELECT array_agg(o) AS owners, array_agg(u) AS purposes, array_agg(c) AS currencies, array_agg(x) AS amounts
          FROM (SELECT hold.person_id AS o, 'held' AS u, c, -x AS x FROM unnest(colours, parts) AS g(c, x) WHERE x > 0
                UNION ALL SELECT p_owner, p_purpose, c, x FROM unnest(colours, parts) AS g(c, x) WHERE x > 0) l) legs,
        buzz_post(full_key, coalesce(p_type, hold.type), p_fingerprint,
                  coalesce(nullif(p_description, ''), hold.description), '{"hold": "capture"}', hold.subject_kind,
                  hold.subject_id, NULL, NULL, p_at, legs.owners, legs.purposes, legs.currencies, legs.amounts,
                  NULL, NULL, NULL, NULL, NULL, NULL, false) AS p;
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

REVOKE UPDATE, DELETE, TRUNCATE ON buzz_postings FROM PUBLIC, CURRENT_USER;
REVOKE DELETE, TRUNCATE ON buzz_entries FROM PUBLIC, CURRENT_USER;
REVOKE DELETE, TRUNCATE ON buzz_accounts FROM PUBLIC, CURRENT_USER;
