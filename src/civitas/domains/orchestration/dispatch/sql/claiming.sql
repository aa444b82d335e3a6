-- name: anything
SELECT EXISTS (SELECT FROM jobs WHERE status = 'unassigned')
    OR EXISTS (SELECT FROM jobs WHERE racers > 1 AND status IN ('preparing', 'scheduled', 'processing'))

-- name: asking
-- The agents that ask, how many more jobs each may have, what it can do and how well it did it.
SELECT a.id, a.wish,
       greatest(0, a.slots - (SELECT count(*) FROM job_claims c WHERE c.agent_id = a.id AND c.state = 'open')),
       a.capabilities,
       (SELECT jsonb_object_agg(r.capability, jsonb_build_array(r.speed, r.failure))
          FROM agent_rates r WHERE r.agent_id = a.id)
  FROM agents a
 WHERE a.id = ANY(%(agents)s::bigint[]) AND a.revoked_at IS NULL AND a.registered_at IS NOT NULL

-- name: waiting
-- The first jobs that wait for each capability that is offered; the capabilities are found by skipping from one to
-- the next along the index. With each job: which of its files lie with which agents, and who rejected it.
WITH RECURSIVE kinds AS (
  (SELECT capability FROM jobs WHERE status = 'unassigned' ORDER BY capability LIMIT 1)
  UNION ALL
  SELECT (SELECT j.capability FROM jobs j
           WHERE j.status = 'unassigned' AND j.capability > k.capability ORDER BY j.capability LIMIT 1)
    FROM kinds k WHERE k.capability IS NOT NULL
)
SELECT j.id, j.capability, j.place, j.created_at, j.digests, j.refused_by,
       CASE WHEN j.digests <> '{}' THEN
         (SELECT jsonb_object_agg(held.agent_id, held.files)
            FROM (SELECT r.agent_id, count(*) AS files FROM agent_resources r
                   WHERE r.digest = ANY(j.digests) GROUP BY r.agent_id) held)
       END,
       CASE WHEN j.refused_by <> '{}' THEN
         (SELECT array_agg(c.agent_id) FROM job_claims c WHERE c.job_id = j.id AND c.state = 'rejected')
       END
  FROM kinds k
 CROSS JOIN LATERAL (
       SELECT * FROM jobs w
        WHERE w.status = 'unassigned' AND w.capability = k.capability
          AND (w.expires_at IS NULL OR w.expires_at > %(now)s)
        ORDER BY w.place, w.id LIMIT %(most)s
       ) j
 WHERE k.capability IS NOT NULL
   AND (k.capability = ANY(%(names)s::text[]) OR split_part(k.capability, '/', 1) = ANY(%(families)s::text[]))

-- name: racing
-- Jobs that run already and that more agents may run as well; who has them counts as one who refused.
SELECT j.id, j.capability, j.place, j.created_at, '{}'::text[],
       j.refused_by || (SELECT array_agg(c.agent_id) FROM job_claims c WHERE c.job_id = j.id), NULL,
       (SELECT array_agg(c.agent_id) FROM job_claims c WHERE c.job_id = j.id)
  FROM jobs j
 WHERE j.racers > 1 AND j.status IN ('preparing', 'scheduled', 'processing')
   AND (j.capability = ANY(%(names)s::text[]) OR split_part(j.capability, '/', 1) = ANY(%(families)s::text[]))
   AND (j.expires_at IS NULL OR j.expires_at > %(now)s)
   AND j.racers > (SELECT count(*) FROM job_claims c WHERE c.job_id = j.id AND c.state = 'open')
 ORDER BY j.place, j.id LIMIT %(most)s

-- name: elsewhere
-- Agents that are alive and work: one of them may be busy and yet the better choice.
SELECT id, capabilities FROM agents
 WHERE revoked_at IS NULL AND wish = 'work' AND seen_at > %(since)s AND id = ANY(%(agents)s::bigint[])

-- name: take
WITH wanted AS (
  SELECT * FROM unnest(%(jobs)s::text[], %(agents)s::bigint[]) AS w(job_id, agent_id)
), free AS (
  SELECT j.id FROM jobs j
   WHERE j.id = ANY(%(jobs)s) AND j.status = 'unassigned'
     FOR UPDATE SKIP LOCKED
), made AS (
  INSERT INTO job_claims (job_id, agent_id, claimed_at, leased_until)
  SELECT w.job_id, w.agent_id, %(now)s, %(until)s FROM wanted w JOIN free f ON f.id = w.job_id
  RETURNING id, job_id, agent_id, leased_until
)
UPDATE jobs j
   SET status = 'scheduled', agent_id = m.agent_id
  FROM made m
 WHERE j.id = m.job_id
RETURNING m.id, m.agent_id, j.id, j.workflow_id, j.step_type, j.capability, j.input, j.media, j.resources, j.slots,
          j.allow_mature, j.attempt, j.expires_at, m.leased_until

-- name: lock_racing
SELECT id FROM jobs WHERE id = ANY(%(jobs)s) AND status IN ('preparing', 'scheduled', 'processing')
   FOR UPDATE SKIP LOCKED

-- name: join_race
WITH wanted AS (
  SELECT * FROM unnest(%(jobs)s::text[], %(agents)s::bigint[]) AS w(job_id, agent_id)
), made AS (
  INSERT INTO job_claims (job_id, agent_id, claimed_at, leased_until)
  SELECT w.job_id, w.agent_id, %(now)s, %(until)s
    FROM wanted w JOIN jobs j ON j.id = w.job_id
   WHERE j.status IN ('preparing', 'scheduled', 'processing')
     AND j.racers > (SELECT count(*) FROM job_claims c WHERE c.job_id = j.id AND c.state = 'open')
  RETURNING id, job_id, agent_id, leased_until
)
SELECT m.id, m.agent_id, j.id, j.workflow_id, j.step_type, j.capability, j.input, j.media, j.resources, j.slots,
       j.allow_mature, j.attempt, j.expires_at, m.leased_until
  FROM made m JOIN jobs j ON j.id = m.job_id
