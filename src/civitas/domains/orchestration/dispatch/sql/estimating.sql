-- name: jobs
-- Open jobs with what is known of the agents for their capability. What is ahead is counted up to a bound: beyond it
-- nobody cares for the exact number, and it would be as much work as the queue is long. The jobs of one capability are
-- found in one walk along its queue.
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
), walked AS (
  SELECT k.capability, w.id, w.complexity,
         row_number() OVER queue - 1 AS jobs,
         sum(w.complexity) OVER (queue ROWS UNBOUNDED PRECEDING) - w.complexity AS work
    FROM (SELECT capability, max(place) AS last FROM asked WHERE status = 'unassigned' GROUP BY capability) k
   CROSS JOIN LATERAL (
         SELECT o.id, o.place, o.complexity FROM jobs o
          WHERE o.status = 'unassigned' AND o.capability = k.capability AND o.place <= k.last
          ORDER BY o.place, o.id LIMIT %(most)s
         ) w
  WINDOW queue AS (PARTITION BY k.capability ORDER BY w.place, w.id)
)
SELECT j.id, j.status, j.complexity, j.progress, j.started_at,
       coalesce(able.known, 0), coalesce(able.alive, 0), able.throughput, able.speed,
       CASE WHEN j.status = 'unassigned' THEN coalesce(w.jobs, %(most)s::bigint) END,
       CASE WHEN j.status = 'unassigned' THEN
         coalesce(w.work, (SELECT sum(o.complexity) FROM walked o WHERE o.capability = j.capability)) END
  FROM asked j
  LEFT JOIN able ON able.capability = j.capability
  LEFT JOIN walked w ON w.id = j.id
