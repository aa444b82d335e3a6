-- name: queues
-- What waits and runs now, and what ended within the hour: open jobs by their partial indexes, the rest by when they
-- were made, as nothing runs much longer.
WITH open_jobs AS (
    SELECT capability,
           count(*) FILTER (WHERE status = 'unassigned') AS waiting,
           min(created_at) FILTER (WHERE status = 'unassigned') AS oldest,
           count(*) FILTER (WHERE status <> 'unassigned') AS running
      FROM jobs
     WHERE status IN ('unassigned', 'preparing', 'scheduled', 'processing')
     GROUP BY capability
), ended AS (
    SELECT capability, count(*) AS lately, count(*) FILTER (WHERE status IN ('failed', 'expired')) AS failed
      FROM jobs
     WHERE created_at > CAST(:now AS timestamptz) - interval '1 day'
       AND completed_at > CAST(:now AS timestamptz) - interval '1 hour'
     GROUP BY capability
), offered AS (
    SELECT capability, count(*) AS agents
      FROM agents, unnest(capabilities) AS capability
     WHERE revoked_at IS NULL AND wish = 'work'
       AND seen_at > CAST(:now AS timestamptz) - make_interval(secs => :lease)
     GROUP BY capability
)
SELECT coalesce(o.capability, e.capability) AS capability,
       coalesce(o.waiting, 0) AS waiting,
       o.oldest,
       coalesce(o.running, 0) AS running,
       (SELECT coalesce(sum(f.agents), 0)::bigint FROM offered f
         WHERE f.capability IN (coalesce(o.capability, e.capability),
                                split_part(coalesce(o.capability, e.capability), '/', 1) || :every)) AS agents,
       coalesce(e.lately, 0) AS lately,
       coalesce(e.failed, 0) AS failed
  FROM open_jobs o
  FULL JOIN ended e ON e.capability = o.capability
 ORDER BY coalesce(o.waiting, 0) DESC, coalesce(o.running, 0) DESC, 1
 LIMIT 200;

-- name: troubles
SELECT id, workflow_id, capability, agent_id, reason, completed_at
  FROM jobs
 WHERE created_at > CAST(:now AS timestamptz) - interval '1 day'
   AND status IN ('failed', 'expired')
 ORDER BY completed_at DESC, id DESC
 LIMIT :most;
