-- name: wallet
-- Everything a person's accounts hold, by purpose and currency; keyed purposes (bank:202611) are added up.
SELECT split_part(a.purpose, ':', 1) AS purpose, a.currency,
       sum(a.balance + coalesce(w.amount, 0)) AS amount, sum(coalesce(w.amount, 0)) AS waiting,
       min(a.frozen_at) AS frozen_at
  FROM buzz_accounts a
  LEFT JOIN LATERAL (SELECT sum(u.amount) AS amount FROM buzz_unfolded u WHERE u.account_id = a.id) w ON true
 WHERE a.owner_id = :person
 GROUP BY 1, 2;

-- name: spendable
SELECT a.owner_id, a.currency,
       a.balance + coalesce((SELECT sum(u.amount) FROM buzz_unfolded u WHERE u.account_id = a.id), 0)
  FROM buzz_accounts a
 WHERE a.owner_id = ANY (%s::bigint[]) AND a.purpose = 'wallet';
