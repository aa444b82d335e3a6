-- Locks are taken in the order workflow, job, claim; what is decided upon is read after they are had.

-- name: lock_workflow
SELECT w.id FROM workflows w
 WHERE w.id = (SELECT j.workflow_id FROM job_claims c JOIN jobs j ON j.id = c.job_id
                WHERE c.id = %(claim)s AND c.agent_id = %(agent)s)
   FOR UPDATE

-- name: lock_job
SELECT j.id FROM jobs j
 WHERE j.id = (SELECT job_id FROM job_claims WHERE id = %(claim)s AND agent_id = %(agent)s)
   FOR UPDATE

-- name: standing
-- What is behind a claim that is open; no row for one that is not.
SELECT c.job_id, c.claimed_at, j.status, j.workflow_id, j.step_type, j.capability, j.complexity, j.slots,
       (SELECT count(*) FROM job_claims o WHERE o.job_id = c.job_id AND o.state = 'open' AND o.id <> c.id)
  FROM job_claims c JOIN jobs j ON j.id = c.job_id
 WHERE c.id = %(claim)s AND c.agent_id = %(agent)s AND c.state = 'open'
   AND j.status IN ('scheduled', 'preparing', 'processing')

-- name: end
UPDATE job_claims SET state = %(state)s, reason = %(reason)s, ended_at = %(now)s WHERE id = %(claim)s

-- name: held
-- For results: every lock in one call, and then all that is behind the claims that are open.
SELECT claims, workflows, steps, jobs FROM orchestration_held(%(claims)s::bigint[], %(agent)s::bigint)

-- name: lock_workflows
-- For results that are told together: all workflows, then all jobs, then all claims, each in the order of their ids.
SELECT w.id, w.person_id FROM workflows w
 WHERE w.id = ANY(ARRAY(SELECT j.workflow_id FROM job_claims c JOIN jobs j ON j.id = c.job_id
                         WHERE c.id = ANY(%(claims)s::bigint[]) AND c.agent_id = %(agent)s AND c.state = 'open'))
 ORDER BY w.id FOR UPDATE

-- name: lock_jobs
SELECT j.id, j.workflow_id FROM jobs j
 WHERE j.id = ANY(ARRAY(SELECT c.job_id FROM job_claims c
                         WHERE c.id = ANY(%(claims)s::bigint[]) AND c.agent_id = %(agent)s AND c.state = 'open'))
 ORDER BY j.id FOR UPDATE

-- name: lock_claims
SELECT c.id, c.job_id FROM job_claims c
 WHERE c.job_id = ANY(%(jobs)s::text[]) AND c.state = 'open'
 ORDER BY c.id FOR UPDATE

-- name: win
-- These claims, with them the end of all the others of their jobs, and what was measured of the agent.
WITH claims AS (
  UPDATE job_claims
     SET state = CASE WHEN id = ANY(%(claims)s::bigint[]) THEN 'won' ELSE 'lost' END, ended_at = %(now)s
   WHERE job_id = ANY(%(jobs)s::text[]) AND state = 'open'
)
INSERT INTO agent_rates AS r (agent_id, capability, speed, failure, succeeded, failed, changed_at)
SELECT %(agent)s, m.capability, m.speed, 0, m.jobs, 0, %(now)s
  FROM unnest(%(capabilities)s::text[], %(speeds)s::float8[], %(counts)s::integer[]) AS m(capability, speed, jobs)
ON CONFLICT (agent_id, capability) DO UPDATE
   SET speed = coalesce(excluded.speed + power(0.8, excluded.succeeded) * (r.speed - excluded.speed), excluded.speed),
       failure = power(0.8, excluded.succeeded) * r.failure,
       succeeded = r.succeeded + excluded.succeeded,
       changed_at = excluded.changed_at

-- name: progress
UPDATE jobs j SET progress = %(fraction)s, note = %(note)s
  FROM job_claims c
 WHERE c.id = %(claim)s AND c.agent_id = %(agent)s AND c.state = 'open'
   AND j.id = c.job_id AND j.status IN ('scheduled', 'preparing', 'processing')
RETURNING j.id

-- name: preview
UPDATE jobs j SET preview = %(key)s
  FROM job_claims c
 WHERE c.id = %(claim)s AND c.agent_id = %(agent)s AND c.state = 'open'
   AND j.id = c.job_id AND j.status IN ('scheduled', 'preparing', 'processing')
RETURNING (SELECT o.preview FROM jobs o WHERE o.id = j.id)

-- name: uploads
-- The newest whole upload of each slot.
SELECT DISTINCT ON (claim_id, slot) claim_id, slot, storage_key, size, sha256 FROM claim_uploads
 WHERE claim_id = ANY(%(claims)s::bigint[]) AND size IS NOT NULL
 ORDER BY claim_id, slot, created_at DESC

-- name: adopted
-- Bytes that are a blob's now; the rest of the claim's uploads is swept.
DELETE FROM claim_uploads WHERE claim_id = ANY(%(claims)s::bigint[]) AND storage_key = ANY(%(keys)s)

-- name: failed
INSERT INTO agent_rates AS r (agent_id, capability, failure, succeeded, failed, changed_at)
VALUES (%(agent)s, %(capability)s, 1, 0, 1, %(now)s)
ON CONFLICT (agent_id, capability) DO UPDATE
   SET failure = r.failure + 0.2 * (1 - r.failure), failed = r.failed + 1, changed_at = excluded.changed_at
