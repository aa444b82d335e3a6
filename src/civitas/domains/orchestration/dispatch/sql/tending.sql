-- name: unserved
-- Waiting jobs that no living agent can run: all of a capability that nobody offers, and those that everybody rejected.
WITH RECURSIVE kinds AS (
  (SELECT capability FROM jobs WHERE status = 'unassigned' ORDER BY capability LIMIT 1)
  UNION ALL
  SELECT (SELECT j.capability FROM jobs j
           WHERE j.status = 'unassigned' AND j.capability > k.capability ORDER BY j.capability LIMIT 1)
    FROM kinds k WHERE k.capability IS NOT NULL
), able AS (
  SELECT k.capability, array_agg(a.id) AS agents
    FROM kinds k
    JOIN agents a ON k.capability = ANY(a.capabilities)
                  OR split_part(k.capability, '/', 1) || '/*' = ANY(a.capabilities)
   WHERE a.revoked_at IS NULL AND a.wish <> 'drain' AND a.seen_at > %(since)s
   GROUP BY k.capability
)
SELECT j.id FROM kinds k JOIN jobs j ON j.status = 'unassigned' AND j.capability = k.capability
  LEFT JOIN able ON able.capability = k.capability
 WHERE able.capability IS NULL
    OR (able.agents <@ j.refused_by
        AND able.agents <@ (SELECT array_agg(c.agent_id) FROM job_claims c
                             WHERE c.job_id = j.id AND c.state = 'rejected'))

-- name: mark
UPDATE jobs SET unserved_since = %(now)s
 WHERE id = ANY(%(jobs)s) AND status = 'unassigned' AND unserved_since IS NULL

-- name: unmark
UPDATE jobs SET unserved_since = NULL
 WHERE unserved_since IS NOT NULL AND status = 'unassigned' AND NOT id = ANY(%(jobs)s)

-- name: due
SELECT id FROM jobs WHERE status = 'unassigned' AND unserved_since <= %(before)s ORDER BY id LIMIT %(most)s

-- name: stale_uploads
-- Bytes that no result has taken and none will: their claims ended, or are gone with their workflows.
SELECT u.storage_key FROM claim_uploads u
 WHERE u.created_at < %(before)s
   AND NOT EXISTS (SELECT FROM job_claims c WHERE c.id = u.claim_id AND c.state = 'open')
 ORDER BY u.created_at LIMIT %(most)s

-- name: forget_uploads
DELETE FROM claim_uploads WHERE storage_key = ANY(%(keys)s)
