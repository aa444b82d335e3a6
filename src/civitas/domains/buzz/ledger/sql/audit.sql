-- Each law returns what breaks it.
-- name: zero_sum
-- Entries are gone through in the order in which they lie; sorting each by currency would take as long again.
SELECT 'entry ' || entry_id AS subject, currency || ' sums to ' || sum(amount) AS told
  FROM buzz_postings
 WHERE entry_id IN (
       SELECT entry_id FROM buzz_postings GROUP BY entry_id
       HAVING coalesce(sum(amount) FILTER (WHERE currency = 'blue'), 0) <> 0
           OR coalesce(sum(amount) FILTER (WHERE currency = 'green'), 0) <> 0
           OR coalesce(sum(amount) FILTER (WHERE currency = 'yellow'), 0) <> 0
           OR coalesce(sum(amount) FILTER (WHERE currency NOT IN ('blue', 'green', 'yellow')), 0) <> 0
        LIMIT :most)
 GROUP BY entry_id, currency
HAVING sum(amount) <> 0
 LIMIT :most;

-- name: history
-- The sums come first and whole: a plan that hopes to be done early would read the postings account by account.
WITH posted AS MATERIALIZED (
    SELECT account_id, sum(amount) AS amount FROM buzz_postings GROUP BY account_id
)
SELECT 'account ' || a.id AS subject,
       'history says ' || coalesce(p.amount, 0) || ', the balance ' || a.balance || ' and ' || coalesce(u.amount, 0)
       || ' waiting' AS told
  FROM buzz_accounts a
  LEFT JOIN posted p ON p.account_id = a.id
  LEFT JOIN (SELECT account_id, sum(amount) AS amount FROM buzz_unfolded GROUP BY account_id) u
         ON u.account_id = a.id
 WHERE coalesce(p.amount, 0) <> a.balance + coalesce(u.amount, 0)
 LIMIT :most;

-- name: no_overdraft
SELECT 'account ' || id AS subject, 'stands at ' || balance AS told
  FROM buzz_accounts WHERE guarded AND balance < 0 LIMIT :most;

-- name: held
SELECT 'person ' || coalesce(h.person_id, a.owner_id) AS subject,
       'holds say ' || coalesce(h.amount, 0) || ' ' || coalesce(h.currency, a.currency) || ', the account '
       || coalesce(a.amount, 0) AS told
  FROM (SELECT person_id, part ->> 0 AS currency, sum((part ->> 1)::bigint) AS amount
          FROM buzz_holds, jsonb_array_elements(remaining) AS part
         WHERE status = 'open' GROUP BY 1, 2) h
  FULL JOIN (SELECT owner_id, currency,
                    balance + coalesce((SELECT sum(u.amount) FROM buzz_unfolded u WHERE u.account_id = b.id), 0)
                    AS amount
               FROM buzz_accounts b WHERE purpose = 'held') a
         ON a.owner_id = h.person_id AND a.currency = h.currency
 WHERE coalesce(h.amount, 0) <> coalesce(a.amount, 0)
 LIMIT :most;

-- name: expiry
SELECT 'hold ' || id AS subject, 'should have ended at ' || expires_at AS told
  FROM buzz_holds
 WHERE status = 'open' AND expires_at < CAST(:now AS timestamptz) - interval '1 hour'
 LIMIT :most;

-- name: counts
SELECT (SELECT count(*) FROM buzz_entries) AS entries, (SELECT count(*) FROM buzz_postings) AS postings,
       (SELECT count(*) FROM buzz_accounts) AS accounts;

-- name: supply
SELECT currency, sum(balance + coalesce((SELECT sum(u.amount) FROM buzz_unfolded u WHERE u.account_id = a.id), 0))
       AS amount
  FROM buzz_accounts a WHERE owner_id <> 0 OR split_part(purpose, ':', 1) IN ('escrow', 'pool')
 GROUP BY currency ORDER BY currency;
