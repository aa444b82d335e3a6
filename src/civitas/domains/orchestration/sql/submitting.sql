-- name: before
-- What is there before a submission, and the locks that keep it so.
SELECT same, twin, under_way, ids, memberships, key_limit
  FROM orchestration_admit(%(person)s::bigint, %(waits)s::boolean, %(external)s::text, %(fingerprint)s::bytea,
                           %(since)s::timestamptz, %(steps)s::integer, %(latest)s::timestamptz, %(key)s::bigint);

-- name: served
-- Which of these capabilities some living agent has.
SELECT c.capability FROM unnest(CAST(:capabilities AS text[])) AS c(capability)
 WHERE EXISTS (SELECT FROM agents a
                WHERE a.revoked_at IS NULL AND a.wish <> 'drain'
                  AND a.seen_at > CAST(:now AS timestamptz) - make_interval(secs => :live)
                  AND (c.capability = ANY(a.capabilities)
                       OR split_part(c.capability, '/', 1) || '/*' = ANY(a.capabilities)));
