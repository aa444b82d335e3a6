-- name: entries
SELECT e.id, e.key, e.type, e.description, e.created_at
  FROM buzz_entries e
 WHERE e.id < :before
   AND (CAST(:id AS bigint) IS NULL OR e.id = CAST(:id AS bigint))
   AND (CAST(:key AS text) IS NULL OR e.key = CAST(:key AS text))
   AND (CAST(:kind AS text) IS NULL
        OR (e.subject_kind = CAST(:kind AS text) AND e.subject_id = CAST(:subject AS bigint)))
 ORDER BY e.id DESC LIMIT :most;

-- name: of_account
SELECT e.id, e.key, e.type, e.description, e.created_at, p.amount
  FROM (SELECT entry_id, amount FROM buzz_postings
         WHERE account_id = :account AND entry_id < :before ORDER BY entry_id DESC LIMIT :most) p
  JOIN buzz_entries e ON e.id = p.entry_id
 ORDER BY e.id DESC;

-- name: moved
SELECT entry_id, currency, sum(amount) FILTER (WHERE amount > 0) AS amount
  FROM buzz_postings WHERE entry_id = ANY (CAST(:entries AS bigint[])) GROUP BY 1, 2;

-- name: sides
SELECT a.id, a.owner_id, a.purpose, a.currency, p.amount AS moved, a.frozen_at,
       a.balance + coalesce((SELECT sum(u.amount) FROM buzz_unfolded u WHERE u.account_id = a.id), 0) AS amount
  FROM buzz_postings p JOIN buzz_accounts a ON a.id = p.account_id
 WHERE p.entry_id = :entry ORDER BY p.amount, a.id LIMIT 500;

-- name: account
SELECT a.id, a.owner_id, a.purpose, a.currency, a.frozen_at,
       a.balance + coalesce((SELECT sum(u.amount) FROM buzz_unfolded u WHERE u.account_id = a.id), 0) AS amount
  FROM buzz_accounts a WHERE a.id = :account;

-- name: accounts
SELECT a.id, a.owner_id, a.purpose, a.currency, a.frozen_at,
       a.balance + coalesce((SELECT sum(u.amount) FROM buzz_unfolded u WHERE u.account_id = a.id), 0) AS amount
  FROM buzz_accounts a WHERE a.owner_id = :owner ORDER BY a.purpose, a.currency LIMIT 500;
