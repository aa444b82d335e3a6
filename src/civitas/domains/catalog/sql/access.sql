-- name: owed
-- What the ledger holds in escrow for the kept payments of a version, refunds by hand taken off, by seller and colour.
SELECT p.seller_id, a.currency, sum(s.amount)
  FROM (SELECT p.seller_id, p.entry_id AS entry_id
          FROM access_payments p
         WHERE p.version_id = :version AND p.status = 'kept'
           AND (CAST(:before AS timestamptz) IS NULL OR p.release_at <= :before)
        UNION ALL
        SELECT p.seller_id, e.id
          FROM access_payments p JOIN buzz_entries e ON e.reverses_id = p.entry_id
         WHERE p.version_id = :version AND p.status = 'kept'
           AND (CAST(:before AS timestamptz) IS NULL OR p.release_at <= :before)) p
  JOIN buzz_postings s ON s.entry_id = p.entry_id
  JOIN buzz_accounts a ON a.id = s.account_id AND a.owner_id = 0 AND a.purpose = :purpose
 GROUP BY p.seller_id, a.currency
HAVING sum(s.amount) > 0
 ORDER BY p.seller_id, a.currency;

-- name: mark_paid
WITH changed AS (
    UPDATE access_payments SET status = 'paid', settled_at = :now
     WHERE version_id = :version AND status = 'kept'
       AND (CAST(:before AS timestamptz) IS NULL OR release_at <= :before)
    RETURNING id
)
SELECT max(id) FROM changed;

-- name: mark_returning
WITH changed AS (
    UPDATE access_payments SET status = 'returning', settled_at = :now
     WHERE version_id = :version AND status = 'kept'
    RETURNING id
)
SELECT count(*) FROM changed;

-- name: revoke
-- What somebody bought and gets back is theirs no more; what they were given, or bought and the creator was paid for, is.
UPDATE entity_access e
   SET bought = coalesce((SELECT bit_or(p.permissions) FROM access_payments p
                           WHERE p.version_id = :version AND p.person_id = e.accessor_id
                             AND p.kind = 'purchase' AND p.status IN ('kept', 'paid')), 0)
 WHERE e.subject_kind = :kind AND e.subject_id = :version AND e.bought > 0
   AND e.accessor_kind = 'user'
   AND e.accessor_id IN (SELECT p.person_id FROM access_payments p
                          WHERE p.version_id = :version AND p.status = 'returning');

-- name: raised
SELECT coalesce(sum(counted), 0) FROM access_payments
 WHERE version_id = :version AND status IN ('kept', 'paid');

-- name: generating
SELECT v.id AS version_id, m.person_id,
       m.status = 'Published' AND v.status = 'Published' AND m.availability <> 'Private'
           AND v.availability <> 'Private' AND m.mode IS NULL AS public,
       CASE WHEN a.version_id IS NULL THEN coalesce(v.early_access_ends_at > :now, false)
            ELSE a.gate <> 'none' AND a.state <> 'ended'
                 AND (a.gate = 'permanent' OR a.ends_at IS NULL OR a.ends_at > :now) END AS closed,
       coalesce(e.permissions, 0) & CAST(:generate AS smallint) <> 0 AS has_access,
       coalesce(a.trial_generations, 0) AS trials, coalesce(t.used, 0) AS used,
       coalesce(a.generation_price, a.download_price) AS price
  FROM model_versions v
  JOIN models m ON m.id = v.model_id
  LEFT JOIN version_access a ON a.version_id = v.id
  LEFT JOIN entity_access e ON e.subject_kind = :kind AND e.subject_id = v.id
        AND e.accessor_kind = 'user' AND e.accessor_id = CAST(:viewer AS bigint)
  LEFT JOIN generation_trials t ON t.version_id = v.id AND t.person_id = CAST(:viewer AS bigint)
 WHERE v.id = ANY(:versions);

-- name: use_trials
-- One row when there were enough; the row of the counter is locked by the insert, so two at once take turns.
INSERT INTO generation_trials (version_id, person_id, used)
SELECT a.version_id, :person, :count FROM version_access a
 WHERE a.version_id = :version AND a.trial_generations >= :count
    ON CONFLICT (version_id, person_id) DO UPDATE
   SET used = generation_trials.used + excluded.used
 WHERE generation_trials.used + excluded.used
       <= (SELECT trial_generations FROM version_access WHERE version_id = excluded.version_id)
RETURNING used;

-- name: chain
-- A version and all that it stands on; a circle ends where it closes.
WITH RECURSIVE chain AS (
    SELECT CAST(:version AS bigint) AS id, ARRAY[CAST(:version AS bigint)] AS path
    UNION ALL
    SELECT s.id, c.path || s.id
      FROM chain c
      JOIN model_versions v ON v.id = c.id
      JOIN models m ON m.id = v.model_id
      LEFT JOIN version_access a ON a.version_id = v.id
      JOIN model_versions s ON s.id = coalesce(a.licensing_source_version_id, m.forked_from_version_id)
     WHERE s.id <> ALL (c.path) AND cardinality(c.path) < :deepest
)
SELECT id FROM chain;

-- name: fees
WITH RECURSIVE chain AS (
    SELECT v.id AS version_id, v.id AS id, ARRAY[v.id] AS path
      FROM model_versions v WHERE v.id = ANY(:versions)
    UNION ALL
    SELECT c.version_id, s.id, c.path || s.id
      FROM chain c
      JOIN model_versions v ON v.id = c.id
      JOIN models m ON m.id = v.model_id
      LEFT JOIN version_access a ON a.version_id = v.id
      JOIN model_versions s ON s.id = coalesce(a.licensing_source_version_id, m.forked_from_version_id)
     WHERE s.id <> ALL (c.path) AND cardinality(c.path) < :deepest
)
SELECT c.version_id, c.id AS source_id, m.person_id AS receiver_id, a.licence_fee, a.licence_fee_images
  FROM chain c
  JOIN version_access a ON a.version_id = c.id AND a.licence_fee IS NOT NULL
  JOIN model_versions v ON v.id = c.id AND v.status = 'Published'
  JOIN models m ON m.id = v.model_id AND m.status = 'Published'
  JOIN model_versions w ON w.id = c.version_id
  JOIN models o ON o.id = w.model_id
 WHERE c.id = c.version_id OR m.person_id <> o.person_id
 ORDER BY c.version_id, cardinality(c.path);
