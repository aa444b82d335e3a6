-- name: wanted
-- Who of these people gets it: living, not the one who did it, not apart from them, and it is not turned off.
p.status = 'active' AND p.id > 0 AND p.id IS DISTINCT FROM CAST(:actor AS bigint)
   AND (coalesce(p.settings -> 'muted_notifications', '[]'::jsonb) ? CAST(:switch AS text)) <> CAST(:on AS boolean)
   AND NOT EXISTS (SELECT FROM follows f
        WHERE f.person_id = p.id AND f.target_id = CAST(:actor AS bigint) AND f.kind IN ('hide', 'block'))
   AND NOT EXISTS (SELECT FROM follows f
        WHERE f.person_id = CAST(:actor AS bigint) AND f.target_id = p.id AND f.kind = 'block')
   AND NOT EXISTS (SELECT FROM model_engagements e
        WHERE e.person_id = p.id AND e.model_id = CAST(:model AS bigint) AND e.kind IN ('mute', 'hide'))
   AND (NOT CAST(:mature AS boolean) OR (p.show_mature AND p.adult_confirmed_at IS NOT NULL))

-- name: columns
(person_id, kind, category, key, once, subject_kind, subject_id, actors, actor_count, data, created_at, changed_at)

-- name: values
p.id, CAST(:kind AS text), CAST(:category AS text), CAST(:key AS text), CAST(:once AS boolean),
       CAST(:subject_kind AS text), CAST(:subject_id AS bigint),
       CASE WHEN CAST(:actor AS bigint) IS NULL THEN '{}'::bigint[] ELSE ARRAY[CAST(:actor AS bigint)] END,
       CASE WHEN CAST(:actor AS bigint) IS NULL THEN 0 ELSE 1 END,
       CAST(:data AS jsonb), clock_timestamp(), clock_timestamp()

-- name: once
ON CONFLICT (person_id, key) WHERE once DO NOTHING

-- name: grouped
ON CONFLICT (person_id, key) WHERE NOT once AND read_at IS NULL DO UPDATE
   SET count = n.count + 1, changed_at = excluded.changed_at, data = excluded.data,
       actor_count = n.actor_count + CASE WHEN n.actors @> excluded.actors THEN 0 ELSE 1 END,
       actors = (excluded.actors || array_remove(n.actors, excluded.actors[1]))[1:20]

-- name: tell
INSERT INTO notifications AS n ${columns}
SELECT ${values}
  FROM people p WHERE p.id = ANY(CAST(:people AS bigint[])) AND ${wanted}
 ORDER BY p.id ${conflict}

-- name: fan_followers
WITH batch AS (
    SELECT person_id, created_at FROM follows
     WHERE target_id = :of AND kind = 'follow'
       AND (created_at, person_id) > (CAST(:at AS timestamptz), CAST(:after AS bigint))
     ORDER BY created_at, person_id LIMIT :limit
), told AS (
    INSERT INTO notifications AS n ${columns}
    SELECT ${values} FROM batch b JOIN people p ON p.id = b.person_id WHERE ${wanted}
     ORDER BY p.id ${conflict}
)
SELECT created_at, person_id, (SELECT count(*) FROM batch) FROM batch ORDER BY created_at DESC, person_id DESC LIMIT 1

-- name: fan_waiting
-- Those who asked to be told of new versions of a model.
WITH batch AS (
    SELECT e.person_id, e.created_at FROM model_engagements e
     WHERE e.model_id = :of AND e.kind = 'notify' AND e.person_id > CAST(:after AS bigint)
       AND CAST(:at AS timestamptz) IS NOT NULL
     ORDER BY e.person_id LIMIT :limit
), told AS (
    INSERT INTO notifications AS n ${columns}
    SELECT ${values} FROM batch b JOIN people p ON p.id = b.person_id WHERE ${wanted}
     ORDER BY p.id ${conflict}
)
SELECT created_at, person_id, (SELECT count(*) FROM batch) FROM batch ORDER BY person_id DESC LIMIT 1

-- name: fan_everybody
WITH batch AS (
    SELECT id AS person_id, created_at FROM people
     WHERE id > CAST(:after AS bigint) AND CAST(:at AS timestamptz) IS NOT NULL AND CAST(:of AS bigint) IS NOT NULL
     ORDER BY id LIMIT :limit
), told AS (
    INSERT INTO notifications AS n ${columns}
    SELECT ${values} FROM batch b JOIN people p ON p.id = b.person_id WHERE ${wanted}
     ORDER BY p.id ${conflict}
)
SELECT created_at, person_id, (SELECT count(*) FROM batch) FROM batch ORDER BY person_id DESC LIMIT 1

-- name: sweep
DELETE FROM notifications WHERE id IN (
    SELECT id FROM notifications WHERE changed_at < CAST(:before AS timestamptz) ORDER BY changed_at LIMIT :limit)

-- name: due_digests
-- Who is due, oldest first, is marked as told; those who have something unread in the time between are returned.
WITH due AS (
    SELECT d.person_id, d.told_until
      FROM notification_digests d
     WHERE d.told_until < CAST(:before AS timestamptz)
     ORDER BY d.told_until, d.person_id LIMIT :limit FOR UPDATE SKIP LOCKED
), told AS (
    UPDATE notification_digests d SET told_until = CAST(:now AS timestamptz)
      FROM due WHERE d.person_id = due.person_id
    RETURNING d.person_id, due.told_until AS since
)
SELECT t.person_id, t.since,
       p.status = 'active' AND p.email IS NOT NULL AND p.email_verified_at IS NOT NULL
       AND EXISTS (SELECT FROM notifications n
                    WHERE n.person_id = t.person_id AND n.read_at IS NULL
                      AND n.changed_at > t.since AND n.changed_at <= CAST(:now AS timestamptz)) AS worth
  FROM told t JOIN people p ON p.id = t.person_id
