-- name: mark
SELECT done_id, next_id, waits FROM buzz_daily_mark WHERE id = 1 FOR UPDATE SKIP LOCKED;

-- name: set_mark
UPDATE buzz_daily_mark SET done_id = :done, next_id = :next, waits = CAST(:waits AS jsonb) WHERE id = 1;

-- name: newest
SELECT coalesce(max(id), 0) FROM buzz_entries;

-- name: writers
-- Who writes entries at this moment: an insert takes its table's lock before it takes a number.
SELECT virtualtransaction FROM pg_locks
 WHERE relation = CAST('buzz_entries' AS regclass) AND mode = 'RowExclusiveLock'
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND pid <> pg_backend_pid();

-- name: fold
-- What a hold gave back is no income, but less of an expense.
INSERT INTO buzz_daily (account_id, day, type, movements, came, went)
SELECT p.account_id, (e.created_at AT TIME ZONE 'UTC')::date, e.type, count(*),
       coalesce(sum(p.amount) FILTER (WHERE p.amount > 0 AND e.details ->> 'hold' IS NULL), 0),
       coalesce(-sum(p.amount) FILTER (WHERE p.amount < 0 OR e.details ->> 'hold' IS NOT NULL), 0)
  FROM buzz_entries e JOIN buzz_postings p ON p.entry_id = e.id
 WHERE e.id > :done AND e.id <= :until
 GROUP BY 1, 2, 3
    ON CONFLICT (account_id, day, type) DO UPDATE
   SET movements = buzz_daily.movements + excluded.movements, came = buzz_daily.came + excluded.came,
       went = buzz_daily.went + excluded.went;

-- name: of_person
-- Days of a person's purses, what is not folded yet included.
WITH purses AS MATERIALIZED (
    SELECT id, currency FROM buzz_accounts WHERE owner_id = :person AND purpose = 'wallet'
), mark AS MATERIALIZED (SELECT done_id FROM buzz_daily_mark WHERE id = 1)
SELECT s.day, s.currency, s.type, sum(s.came)::bigint AS came, sum(s.went)::bigint AS went
  FROM (SELECT d.day, a.currency, d.type, d.came, d.went
          FROM purses a JOIN buzz_daily d ON d.account_id = a.id AND d.day >= :since
        UNION ALL
        SELECT (e.created_at AT TIME ZONE 'UTC')::date, a.currency, e.type,
               CASE WHEN p.amount > 0 AND e.details ->> 'hold' IS NULL THEN p.amount ELSE 0 END,
               CASE WHEN p.amount < 0 OR e.details ->> 'hold' IS NOT NULL THEN -p.amount ELSE 0 END
          FROM mark m CROSS JOIN purses a
          JOIN buzz_postings p ON p.account_id = a.id AND p.entry_id > m.done_id
          JOIN buzz_entries e ON e.id = p.entry_id
         WHERE e.created_at >= CAST(:since AS timestamp) AT TIME ZONE 'UTC') s
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: lifetime
WITH purses AS MATERIALIZED (
    SELECT id, currency FROM buzz_accounts WHERE owner_id = :person AND purpose = 'wallet'
), mark AS MATERIALIZED (SELECT done_id FROM buzz_daily_mark WHERE id = 1)
SELECT s.currency, s.type, sum(s.came)::bigint AS came, sum(s.went)::bigint AS went
  FROM (SELECT a.currency, d.type, d.came, d.went FROM purses a JOIN buzz_daily d ON d.account_id = a.id
        UNION ALL
        SELECT a.currency, e.type,
               CASE WHEN p.amount > 0 AND e.details ->> 'hold' IS NULL THEN p.amount ELSE 0 END,
               CASE WHEN p.amount < 0 OR e.details ->> 'hold' IS NOT NULL THEN -p.amount ELSE 0 END
          FROM mark m CROSS JOIN purses a
          JOIN buzz_postings p ON p.account_id = a.id AND p.entry_id > m.done_id
          JOIN buzz_entries e ON e.id = p.entry_id) s
 GROUP BY 1, 2 ORDER BY 1, 2;

-- name: months_of_house
-- What the house's accounts of a purpose saw, by month.
SELECT date_trunc('month', d.day)::date AS month, split_part(a.purpose, ':', 1) AS purpose, a.currency,
       sum(d.came)::bigint AS came, sum(d.went)::bigint AS went
  FROM buzz_accounts a JOIN buzz_daily d ON d.account_id = a.id
 WHERE a.owner_id = 0 AND a.purpose IN ('mint', 'burn', 'revenue') AND d.day >= :since
 GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3;

-- name: note_supply
INSERT INTO buzz_supply (day, purpose, currency, amount, accounts)
SELECT :day, split_part(a.purpose, ':', 1), a.currency, sum(a.balance) + coalesce(sum(u.amount), 0), count(*)
  FROM buzz_accounts a
  LEFT JOIN (SELECT account_id, sum(amount) AS amount FROM buzz_unfolded GROUP BY account_id) u ON u.account_id = a.id
 GROUP BY 2, 3
    ON CONFLICT (day, purpose, currency) DO UPDATE SET amount = excluded.amount, accounts = excluded.accounts;

-- name: supply
SELECT purpose, currency, amount, accounts, day FROM buzz_supply
 WHERE day = (SELECT max(day) FROM buzz_supply) ORDER BY purpose, currency;

-- name: figures
SELECT (SELECT count(*) FROM buzz_unfolded) AS unfolded,
       (SELECT count(*) FROM buzz_holds WHERE status = 'open') AS holds;
