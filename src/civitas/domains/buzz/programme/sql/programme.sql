-- name: earnings
SELECT to_char(e.created_at AT TIME ZONE 'UTC', 'YYYYMM') AS month, sum(p.amount)::bigint AS earned
  FROM buzz_accounts a
  JOIN buzz_postings p ON p.account_id = a.id
  JOIN buzz_entries e ON e.id = p.entry_id
  LEFT JOIN buzz_entries r ON r.id = e.reverses_id
 WHERE a.owner_id = :person AND a.purpose = 'wallet' AND a.currency = ANY(CAST(:colours AS text[]))
   AND e.created_at >= :since AND e.created_at < :until
   AND ((e.type = ANY(CAST(:types AS text[])) AND p.amount > 0)
     OR (r.type = ANY(CAST(:types AS text[])) AND p.amount < 0))
 GROUP BY 1 ORDER BY 1;

-- name: income
SELECT coalesce(-sum(p.amount), 0)::bigint AS income
  FROM buzz_entries e
  JOIN buzz_postings p ON p.entry_id = e.id AND p.currency = ANY(CAST(:colours AS text[]))
  JOIN buzz_accounts a ON a.id = p.account_id AND a.owner_id = 0
 WHERE e.type IN ('purchase', 'redeemable', 'chargeBack', 'refund')
   AND e.created_at >= :since AND e.created_at < :until
   AND ((e.type = ANY(CAST(:types AS text[])) AND a.purpose = 'mint')
     OR (e.type = 'chargeBack' AND a.purpose IN ('mint', 'burn'))
     OR (e.type = 'refund' AND a.purpose IN ('mint', 'burn')));

-- name: banked
SELECT a.owner_id AS person_id, a.currency,
       (a.balance + coalesce((SELECT sum(u.amount) FROM buzz_unfolded u WHERE u.account_id = a.id), 0))::bigint
       AS amount
  FROM buzz_accounts a
 WHERE a.purpose = :purpose AND a.purpose LIKE 'bank:%' AND a.owner_id <> 0
 ORDER BY a.owner_id, a.currency;

-- name: banked_total
SELECT coalesce(sum(a.balance), 0)::bigint
       + coalesce((SELECT sum(u.amount) FROM buzz_unfolded u JOIN buzz_accounts b ON b.id = u.account_id
                    WHERE b.purpose = :purpose AND b.purpose LIKE 'bank:%'), 0)::bigint AS total,
       count(DISTINCT a.owner_id) FILTER (WHERE a.balance > 0) AS people
  FROM buzz_accounts a
 WHERE a.purpose = :purpose AND a.purpose LIKE 'bank:%' AND a.owner_id <> 0;

-- name: due_shares
SELECT s.person_id, s.green, s.yellow, s.cents
  FROM programme_shares s
 WHERE s.month = :month AND s.status = :status AND (s.cents > 0) = :worth
   AND NOT EXISTS (SELECT FROM buzz_accounts a WHERE a.owner_id = s.person_id AND a.frozen_at IS NOT NULL)
 ORDER BY s.person_id LIMIT :most FOR UPDATE OF s SKIP LOCKED;

-- name: months_with_work
SELECT m.month, m.status FROM programme_months m
 WHERE m.status <> 'settled'
    OR EXISTS (SELECT FROM programme_shares s WHERE s.month = m.month AND s.status IN ('planned', 'paid'))
 ORDER BY m.month;

-- name: to_be_told
INSERT INTO programme_notices (month, kind, person_id)
SELECT CAST(:month AS text), CAST(:kind AS text), t.person_id
  FROM programme_participants t
 WHERE t.status = 'active'
   AND (NOT :banked OR EXISTS (
        SELECT FROM buzz_accounts a WHERE a.owner_id = t.person_id AND a.purpose = :purpose AND a.balance > 0))
   AND (NOT :unpayable OR (
        NOT EXISTS (SELECT FROM payout_methods p WHERE p.person_id = t.person_id AND p.state = 'ready')
        AND EXISTS (SELECT FROM buzz_accounts a
                     WHERE a.owner_id = t.person_id AND a.purpose IN ('pending', 'settled') AND a.balance > 0)))
   AND NOT EXISTS (SELECT FROM programme_notices n
                    WHERE n.month = CAST(:month AS text) AND n.kind = CAST(:kind AS text)
                      AND n.person_id = t.person_id)
 ORDER BY t.person_id LIMIT :most
    ON CONFLICT DO NOTHING
RETURNING person_id;
