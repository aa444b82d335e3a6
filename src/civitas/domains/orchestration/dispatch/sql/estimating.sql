-- name: jobs
-- Open jobs with what is known of the agents for their capability. What is ahead is counted up to a bound: beyond it
-- nobody cares for the exact number, and it would be as much work as the queue is long.
WITH asked AS (
  SELECT id, capability, place, status, complexity, progress, started_at FROM jobs
   WHERE id = ANY(%(jobs)s) AND status IN ('unassigned', 'preparing', 'scheduled', 'processing')
), able AS (
  SELECT k.capability,
         count(*) AS known,
         count(*) FILTER (WHERE a.seen_at > %(since)s) AS alive,
         sum(a.slots * r.speed) FILTER (WHERE a.seen_at > %(since)s AND a.wish = 'work') AS throughput,
         avg(r.speed) FILTER (WHERE a.seen_at > %(since)s) AS speed
    FROM (SELECT DISTINCT capability FROM asked) k
    JOIN agents a ON a.revoked_at IS NULL AND a.registered_at IS NOT NULL
                 AND (k.capability = ANY(a.capabilities)
                      OR split_part(k.capability, '/', 1) || '/*' = ANY(a.capabilities))
    LEFT JOIN agent_rates r ON r.agent_id = a.id AND r.capability = k.capability
   GROUP BY k.capability
)
SELECT j.id, j.status, j.complexity, j.progress, j.started_at,
       coalesce(able.known, 0), coalesce(able.alive, 0), able.throughput, able.speed, ahead.jobs, ahead.work
  FROM asked j
  LEFT JOIN able ON able.capability = j.capability
  LEFT JOIN LATERAL (
       SELECT count(*) AS jobs, coalesce(sum(w.complexity), 0) AS work
         FROM (SELECT o.complexity FROM jobs o
                WHERE o.status = 'unassigned' AND o.capability = j.capability
                  AND (o.place, o.id) < (j.place, j.id)
                LIMIT %(most)s) w
       ) ahead ON j.status = 'unassigned'
