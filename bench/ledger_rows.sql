-- name: limit
CREATE TABLE bare_accounts (LIKE buzz_accounts INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING IDENTITY)
    WITH (fillfactor = 70);
CREATE TABLE bare_entries (LIKE buzz_entries INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING IDENTITY);
CREATE TABLE bare_postings (LIKE buzz_postings INCLUDING DEFAULTS INCLUDING INDEXES);
INSERT INTO bare_accounts (owner_id, purpose, currency, guarded)
SELECT p, 'wallet', c, true FROM generate_series(1, 20000) p, unnest(ARRAY['blue', 'green', 'yellow']) c;
INSERT INTO bare_accounts (owner_id, purpose, currency, guarded)
SELECT p, 'held', c, true FROM generate_series(1, 20000) p, unnest(ARRAY['blue', 'green', 'yellow']) c;
-- As many rows as a transfer, a charge or a hold writes, and nothing but the writing of them.
CREATE FUNCTION bare_post(p_key text, p_froms bigint[], p_tos bigint[], p_amount bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE made bigint;
BEGIN
    INSERT INTO bare_entries (key, type, fingerprint, created_at)
    VALUES (p_key, 'tip', '\x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', now())
    RETURNING id INTO made;
    INSERT INTO bare_postings (entry_id, account_id, currency, amount)
    SELECT made, i, 'yellow', -p_amount FROM unnest(p_froms) i UNION ALL
    SELECT made, i, 'yellow', p_amount FROM unnest(p_tos) i;
    UPDATE bare_accounts SET balance = balance - p_amount WHERE id = ANY (p_froms);
    UPDATE bare_accounts SET balance = balance + p_amount WHERE id = ANY (p_tos);
    RETURN made;
END $$;
CREATE TABLE bare_holds (LIKE buzz_holds INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING IDENTITY);
CREATE FUNCTION bare_reserve(p_key text, p_person bigint, p_froms bigint[], p_tos bigint[], p_amount bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE made bigint := bare_post('r' || p_key, p_froms, p_tos, p_amount);
BEGIN
    INSERT INTO bare_holds (key, person_id, entry_id, type, reserved, remaining, created_at, expires_at)
    VALUES (p_key, p_person, made, 'generation', '[["yellow", 40]]', '[["yellow", 40]]', now(), now() + interval '1 hour');
    RETURN made;
END $$;
CREATE FUNCTION bare_capture(p_key text, p_froms bigint[], p_tos bigint[], p_amount bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE bare_holds SET status = 'captured', remaining = '[]', ended_at = now() WHERE key = p_key;
    RETURN bare_post('c' || p_key, p_froms, p_tos, p_amount);
END $$;

-- name: people
INSERT INTO people (id, username, username_folded, onboarding) OVERRIDING SYSTEM VALUE
SELECT p, 'bench_' || p, 'bench_' || p, 15 FROM generate_series(1, %(people)s) p;

-- name: history_accounts
INSERT INTO buzz_accounts (owner_id, purpose, currency, guarded)
SELECT p, 'wallet', c, true FROM generate_series(1, %(people)s) p, unnest(ARRAY['blue', 'green', 'yellow']) c
ON CONFLICT DO NOTHING;

-- name: history_entries
-- One in ten tips goes to the first person, so that somebody has a very long statement.
INSERT INTO buzz_entries (key, type, fingerprint, description, actor_id, created_at)
SELECT 'history:' || n, CASE n %% 3 WHEN 0 THEN 'tip' WHEN 1 THEN 'generation' ELSE 'reward' END,
       '\x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'Synthetic entry', 1 + n %% %(people)s,
       now() - (%(entries)s - n) * interval '6 seconds'
  FROM generate_series(1, %(entries)s) n;

-- name: history_postings
INSERT INTO buzz_postings (entry_id, account_id, currency, amount)
SELECT e.id, a.id, a.currency, s.amount
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM buzz_entries WHERE key LIKE 'history:%%') e
  CROSS JOIN LATERAL (VALUES (1 + (e.n * 7919) %% %(people)s, 1::bigint + e.n %% 400),
                             (CASE WHEN e.n %% 10 = 0 THEN 1 ELSE 1 + (e.n * 104729 + 1) %% %(people)s END,
                              -(1::bigint + e.n %% 400))) s(owner, amount)
  JOIN buzz_accounts a ON a.owner_id = s.owner AND a.purpose = 'wallet'
                      AND a.currency = (ARRAY['blue', 'green', 'yellow'])[1 + e.n %% 3]
 -- Nobody pays themselves.
 WHERE 1 + (e.n * 7919) %% %(people)s
       <> CASE WHEN e.n %% 10 = 0 THEN 1 ELSE 1 + (e.n * 104729 + 1) %% %(people)s END;
