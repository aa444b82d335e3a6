-- name: stirring
-- What is under way, and what has changed since, of these people; a step without jobs counts as not begun.
SELECT w.person_id,
       w.id,
       w.status,
       p.progress,
       (extract(epoch FROM greatest(w.changed_at, p.moved_at)) * 1000000)::bigint AS stamp
FROM workflows w
LEFT JOIN LATERAL (
  SELECT avg(CASE WHEN j.completed_at IS NOT NULL THEN 1 ELSE coalesce(j.progress, 0) END) AS progress,
         max(coalesce(j.completed_at, j.started_at)) AS moved_at
  FROM jobs j
  WHERE j.workflow_id = w.id
) p ON true
WHERE w.person_id = ANY(%s::bigint[])
  AND w.deleted_at IS NULL
  AND w.tags @> ARRAY['gen']
  AND (w.status IN ('unassigned', 'preparing', 'scheduled', 'processing') OR w.changed_at > %s)
ORDER BY w.changed_at, w.id
LIMIT 1000;
