-- name: newest
SELECT w.kind, w.id, max(n.id)
  FROM unnest(%s::text[], %s::bigint[]) AS w (kind, id)
  JOIN comment_threads t ON t.kind = w.kind AND t.subject_id = w.id
 CROSS JOIN LATERAL (SELECT c.id FROM comments c WHERE c.thread_id = t.id ORDER BY c.id DESC LIMIT 1) n
 GROUP BY w.kind, w.id

-- name: new_for
SELECT count(*)
  FROM (SELECT
          FROM comment_threads t
          JOIN comments c ON c.thread_id = t.id
         WHERE t.kind = %s AND t.subject_id = %s AND c.id > %s AND c.state = 'shown' AND c.person_id <> %s
           AND NOT EXISTS (SELECT FROM follows f
                            WHERE (f.person_id = %s AND f.target_id = c.person_id AND f.kind IN ('hide', 'block'))
                               OR (f.person_id = c.person_id AND f.target_id = %s AND f.kind = 'block'))
         LIMIT %s) AS few
