-- name: offered
-- What living agents can run: how many of them, and how many of these take work now.
SELECT capability, count(*) AS agents, count(*) FILTER (WHERE wish = 'work') AS working
  FROM agents, unnest(capabilities) AS capability
 WHERE revoked_at IS NULL AND seen_at > :alive
 GROUP BY capability;

-- name: jobs
-- How jobs went, for each capability and for the step type as a whole.
SELECT coalesce(capability, kind) AS name, {bucket} AS bucket,
       count(*) AS requests,
       count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
       count(*) FILTER (WHERE status = 'canceled') AS canceled,
       count(*) FILTER (WHERE blocked_reason IS NOT NULL) AS blocked,
       count(*) FILTER (WHERE status IN ('succeeded', 'failed', 'expired')) AS ended,
       percentile_cont(ARRAY[0.5, 0.8, 0.95]) WITHIN GROUP (ORDER BY worth / 4.0)
           FILTER (WHERE status = 'succeeded') AS cost,
       percentile_cont(ARRAY[0.5, 0.8, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - created_at))
           FILTER (WHERE status = 'succeeded') AS latency
  FROM (SELECT j.*, split_part(capability, '/', 1) AS kind FROM jobs j WHERE created_at >= :since) AS j
 WHERE CAST(:name AS text) IS NULL OR kind = :kind
 GROUP BY GROUPING SETS ((kind, bucket), (kind, capability, bucket))
HAVING CAST(:name AS text) IS NULL OR coalesce(capability, kind) = :name;

-- name: steps
-- The same for what the platform does itself, which needs no jobs.
SELECT type AS name, {bucket} AS bucket,
       count(*) AS requests,
       count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
       count(*) FILTER (WHERE status = 'canceled') AS canceled,
       count(*) FILTER (WHERE blocked_reason IS NOT NULL) AS blocked,
       count(*) FILTER (WHERE status IN ('succeeded', 'failed', 'expired')) AS ended,
       percentile_cont(ARRAY[0.5, 0.8, 0.95]) WITHIN GROUP (ORDER BY price / 4.0)
           FILTER (WHERE status = 'succeeded') AS cost,
       percentile_cont(ARRAY[0.5, 0.8, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - created_at))
           FILTER (WHERE status = 'succeeded') AS latency
  FROM workflow_steps
 WHERE created_at >= :since AND type = ANY(:types)
 GROUP BY type, bucket;

-- name: holders
-- On how many living machines files lie ready.
SELECT r.digest, count(*) AS workers
  FROM agent_resources r JOIN agents a ON a.id = r.agent_id
 WHERE r.digest = ANY(:digests) AND a.revoked_at IS NULL AND a.seen_at > :alive
 GROUP BY r.digest;

-- name: fetched
-- Files that machines fetch now for jobs that need them, and how far they are.
SELECT need ->> 'sha256' AS digest, count(DISTINCT j.agent_id) AS workers, max(j.progress) AS progress,
       min(j.started_at) AS started_at
  FROM jobs j, jsonb_array_elements(j.resources) AS need
 WHERE j.status = 'preparing' AND need ->> 'sha256' = ANY(:digests)
 GROUP BY 1;

-- name: wanted
-- Files that waiting jobs need and no living machine has, in the order in which they are needed.
SELECT digest, air, version_id, place, row_number() OVER (ORDER BY place, digest) AS position
  FROM (
        SELECT need ->> 'sha256' AS digest, min(need ->> 'air') AS air,
               min(CAST(need ->> 'versionId' AS bigint)) AS version_id, min(j.place) AS place
          FROM jobs j, jsonb_array_elements(j.resources) AS need
         WHERE j.status IN ('unassigned', 'preparing')
           AND NOT EXISTS (
                SELECT FROM agent_resources r JOIN agents a ON a.id = r.agent_id
                 WHERE r.digest = need ->> 'sha256' AND a.revoked_at IS NULL AND a.seen_at > :alive
           )
         GROUP BY 1
  ) AS needed
 ORDER BY place, digest;
