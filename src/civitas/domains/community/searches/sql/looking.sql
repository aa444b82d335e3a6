-- name: due
-- Of each person the oldest subscriptions, as many as anybody may have at all; the rest is said by their membership.
SELECT s.id, s.person_id, s.name, s.place, s.pairs, s.notify, s.webhook_url, s.subscribed_at, s.looked_at
  FROM saved_searches s JOIN people p ON p.id = s.person_id AND p.status = 'active'
 WHERE s.looked_at < CAST(:before AS timestamptz)
 ORDER BY s.looked_at, s.id LIMIT :limit

-- name: found
-- The mark moves only from where the look began, and what is new is what was never told.
WITH moved AS (
    UPDATE saved_searches SET looked_at = CAST(:now AS timestamptz)
     WHERE id = :search AND looked_at = CAST(:looked AS timestamptz)
    RETURNING id
)
INSERT INTO saved_search_hits (search_id, subject_id, found_at)
SELECT moved.id, found.id, CAST(:now AS timestamptz)
  FROM moved CROSS JOIN unnest(CAST(:ids AS bigint[])) AS found(id)
 ORDER BY found.id
    ON CONFLICT DO NOTHING
RETURNING subject_id

-- name: sweep
DELETE FROM saved_search_hits WHERE (search_id, subject_id) IN (
    SELECT search_id, subject_id FROM saved_search_hits
     WHERE found_at < CAST(:before AS timestamptz) ORDER BY found_at LIMIT :limit)
