-- name: page
-- One page of a person's movements, merged from their accounts: each gives as many as a page (or a search) may look
-- at, so that an account with a million postings costs no more than one with ten. `low` is where the search ended
-- when it ended early. Rows of entries come with the balance of their account as it is now.
WITH accounts AS MATERIALIZED (
    SELECT a.id, a.purpose, a.currency,
           a.balance + coalesce((SELECT sum(u.amount) FROM buzz_unfolded u WHERE u.account_id = a.id), 0) AS balance
      FROM buzz_accounts a
     WHERE a.owner_id = :person AND split_part(a.purpose, ':', 1) = ANY (:purposes)
       AND a.currency = ANY (:currencies)
), looked AS MATERIALIZED (
    SELECT a.id AS account_id, a.purpose, a.currency, a.balance, p.entry_id, p.amount
      FROM accounts a
     CROSS JOIN LATERAL (
           SELECT p.entry_id, p.amount FROM buzz_postings p
            WHERE p.account_id = a.id AND p.entry_id >= :from_entry
              AND p.entry_id < CAST(:before AS bigint)
                               + CASE WHEN a.id < CAST(:before_account AS bigint) THEN 1 ELSE 0 END
            ORDER BY p.entry_id DESC LIMIT :look) p
), ended AS (
    SELECT max(low) AS low
      FROM (SELECT min(entry_id) AS low FROM looked GROUP BY account_id HAVING count(*) >= :look) s
)
SELECT f.low, r.*
  FROM ended f
  LEFT JOIN LATERAL (
       SELECT l.account_id, l.purpose, l.currency, l.balance, l.entry_id, l.amount, e.type, e.description,
              e.details ->> 'hold' AS hold, e.subject_kind, e.subject_id, e.actor_id, e.reverses_id, e.created_at
         FROM looked l JOIN buzz_entries e ON e.id = l.entry_id
        WHERE l.entry_id >= coalesce(f.low, 0)
          AND (CAST(:types AS text[]) IS NULL OR e.type = ANY (CAST(:types AS text[])))
          AND (CAST(:way AS integer) = 0 OR sign(l.amount) = CAST(:way AS integer))
          AND (CAST(:words AS text) IS NULL OR e.description ILIKE :words)
          AND (CAST(:since AS timestamptz) IS NULL OR e.created_at >= :since)
          AND (CAST(:until AS timestamptz) IS NULL OR e.created_at < :until)
        ORDER BY l.entry_id DESC, l.account_id DESC LIMIT :most) r ON true
 ORDER BY r.entry_id DESC, r.account_id DESC;

-- name: around
-- The other sides of entries, a few of each, and what was given back of them or by them.
SELECT e.id AS entry_id, c.owner_id, c.purpose, b.reversed
  FROM unnest(CAST(:entries AS bigint[])) AS e(id)
  LEFT JOIN LATERAL (
       SELECT a.owner_id, split_part(a.purpose, ':', 1) AS purpose
         FROM buzz_postings p JOIN buzz_accounts a ON a.id = p.account_id
        WHERE p.entry_id = e.id AND a.owner_id <> :person LIMIT 3) c ON true
  LEFT JOIN LATERAL (
       SELECT array_agg(x.id ORDER BY x.id) AS reversed
         FROM (SELECT id FROM buzz_entries WHERE reverses_id = e.id ORDER BY id LIMIT 20) x) b ON true;

-- name: entry_at
SELECT buzz_entry_at(:at);
