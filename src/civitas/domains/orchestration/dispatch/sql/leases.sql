-- Whoever changes claims or takes jobs back locks the jobs first, in the order of their ids. The change itself is a
-- statement of its own, which therefore sees what was done before the lock was had.

-- name: renew
-- In the order in which results that are told together take the same locks.
WITH mine AS (
  SELECT c.id FROM job_claims c JOIN jobs j ON j.id = c.job_id
   WHERE c.id = ANY(%(claims)s::bigint[]) AND c.agent_id = %(agent)s AND c.state = 'open'
     AND j.status IN ('scheduled', 'preparing', 'processing')
   ORDER BY c.id FOR UPDATE OF c
)
UPDATE job_claims c SET leased_until = %(until)s FROM mine WHERE c.id = mine.id
RETURNING c.id

-- name: lock_lapsed
SELECT j.id FROM jobs j
 WHERE j.id IN (
         SELECT job_id FROM job_claims WHERE state = 'open' AND leased_until < %(now)s
          ORDER BY leased_until LIMIT %(most)s
       )
 ORDER BY j.id FOR UPDATE SKIP LOCKED

-- name: lock_of_agent
SELECT j.id FROM jobs j
 WHERE j.id IN (SELECT job_id FROM job_claims WHERE state = 'open' AND agent_id = %(agent)s)
 ORDER BY j.id FOR UPDATE

-- name: lock_of_claims
SELECT j.id FROM jobs j
 WHERE j.id IN (
         SELECT job_id FROM job_claims
          WHERE id = ANY(%(claims)s::bigint[]) AND agent_id = %(agent)s AND state = 'open'
       )
 ORDER BY j.id FOR UPDATE

-- name: end_lapsed
UPDATE job_claims SET state = 'expired', reason = %(reason)s, ended_at = %(now)s
 WHERE job_id = ANY(%(jobs)s) AND state = 'open' AND leased_until < %(now)s
RETURNING job_id, agent_id

-- name: end_of_agent
UPDATE job_claims SET state = %(state)s, reason = %(reason)s, ended_at = %(now)s
 WHERE job_id = ANY(%(jobs)s) AND state = 'open' AND agent_id = %(agent)s
RETURNING job_id, agent_id

-- name: end_claims
UPDATE job_claims SET state = %(state)s, reason = %(reason)s, ended_at = %(now)s
 WHERE job_id = ANY(%(jobs)s) AND state = 'open' AND id = ANY(%(claims)s::bigint[])
RETURNING job_id, agent_id

-- name: requeue
-- Back to the queue, at the place it had, unless another agent still has it.
UPDATE jobs j
   SET status = 'unassigned', agent_id = NULL, progress = NULL, preview = NULL, note = NULL, started_at = NULL
 WHERE j.id = ANY(%(jobs)s) AND j.status IN ('scheduled', 'preparing', 'processing')
   AND NOT EXISTS (SELECT FROM job_claims c WHERE c.job_id = j.id AND c.state = 'open')
RETURNING j.id

-- name: refuse
UPDATE jobs j SET refused_by = array_append(j.refused_by, r.agent)
  FROM unnest(%(jobs)s::text[], %(agents)s::bigint[]) AS r(job, agent)
 WHERE j.id = r.job AND NOT r.agent = ANY(j.refused_by)

-- name: worn_out
-- Of these jobs those that so many agents fell silent over; the last of them is blamed.
SELECT job_id, max(agent_id) FROM job_claims
 WHERE job_id = ANY(%(jobs)s) AND state = 'expired' AND reason = %(reason)s
 GROUP BY job_id HAVING count(*) >= %(most)s
