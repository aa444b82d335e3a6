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
-- All three locks in one statement, for a result: rows are locked in the order in which they are named, and what was
-- changed while a lock was waited for is looked at again. No row for a claim that is not open.
SELECT c.job_id, c.claimed_at, j.status, j.workflow_id, j.step_type, j.capability, j.complexity, j.slots, 0
  FROM workflows w
  JOIN jobs j ON j.workflow_id = w.id
  JOIN job_claims c ON c.job_id = j.id
 WHERE w.id = (SELECT i.workflow_id FROM job_claims o JOIN jobs i ON i.id = o.job_id
                WHERE o.id = %(claim)s AND o.agent_id = %(agent)s)
   AND c.id = %(claim)s AND c.agent_id = %(agent)s AND c.state = 'open'
   AND j.status IN ('scheduled', 'preparing', 'processing')
   FOR UPDATE OF w, j, c

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
-- This claim, with it the end of all the others of the job, and what was measured of the agent.
WITH claims AS (
  UPDATE job_claims
     SET state = CASE WHEN id = %(claim)s THEN 'won' ELSE 'lost' END, ended_at = %(now)s
   WHERE job_id = %(job)s AND state = 'open'
), job AS (
  UPDATE jobs SET agent_id = %(agent)s, started_at = coalesce(started_at, %(since)s) WHERE id = %(job)s
)
INSERT INTO agent_rates AS r (agent_id, capability, speed, failure, succeeded, failed, changed_at)
VALUES (%(agent)s, %(capability)s, %(speed)s, 0, 1, 0, %(now)s)
ON CONFLICT (agent_id, capability) DO UPDATE
   SET speed = coalesce(r.speed + 0.2 * (excluded.speed - r.speed), excluded.speed),
       failure = 0.8 * r.failure,
       succeeded = r.succeeded + 1,
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
SELECT DISTINCT ON (slot) slot, storage_key, size, sha256 FROM claim_uploads
 WHERE claim_id = %(claim)s AND size IS NOT NULL
 ORDER BY slot, created_at DESC

-- name: adopted
-- Bytes that are a blob's now; the rest of the claim's uploads is swept.
DELETE FROM claim_uploads WHERE claim_id = %(claim)s AND storage_key = ANY(%(keys)s)

-- name: failed
INSERT INTO agent_rates AS r (agent_id, capability, failure, succeeded, failed, changed_at)
VALUES (%(agent)s, %(capability)s, 1, 0, 1, %(now)s)
ON CONFLICT (agent_id, capability) DO UPDATE
   SET failure = r.failure + 0.2 * (1 - r.failure), failed = r.failed + 1, changed_at = excluded.changed_at
