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

-- name: pushed
-- What was told goes to the devices of those who want this kind pushed; a line that grows, not every moment again.
INSERT INTO push_messages AS m (device_id, notification_id, created_at, due_at)
    SELECT d.id, t.id, clock_timestamp(), clock_timestamp()
      FROM told t
      JOIN push_devices d ON d.person_id = t.person_id
      JOIN people q ON q.id = t.person_id
     WHERE coalesce(q.settings -> 'pushed_notifications', '[]'::jsonb) ? CAST(:kind AS text)
     ORDER BY d.id
    ON CONFLICT (device_id, notification_id) DO UPDATE
       SET due_at = greatest(excluded.due_at, m.sent_at + CAST(:quiet AS interval)), attempts = 0,
           created_at = excluded.created_at
     WHERE m.due_at IS NULL
    RETURNING 1

-- name: tell
WITH told AS (
    INSERT INTO notifications AS n ${columns}
    SELECT ${values}
      FROM people p WHERE p.id = ANY(CAST(:people AS bigint[])) AND ${wanted}
     ORDER BY p.id ${conflict}
    RETURNING n.id, n.person_id
), pushed AS (
    ${pushed}
)
SELECT count(*) FROM pushed

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
    RETURNING n.id, n.person_id
), pushed AS (
    ${pushed}
)
SELECT created_at, person_id, (SELECT count(*) FROM batch), (SELECT count(*) FROM pushed) FROM batch ORDER BY created_at DESC, person_id DESC LIMIT 1

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
    RETURNING n.id, n.person_id
), pushed AS (
    ${pushed}
)
SELECT created_at, person_id, (SELECT count(*) FROM batch), (SELECT count(*) FROM pushed) FROM batch ORDER BY person_id DESC LIMIT 1

-- name: fan_everybody
WITH batch AS (
    SELECT id AS person_id, created_at FROM people
     WHERE id > CAST(:after AS bigint) AND CAST(:at AS timestamptz) IS NOT NULL AND CAST(:of AS bigint) IS NOT NULL
     ORDER BY id LIMIT :limit
), told AS (
    INSERT INTO notifications AS n ${columns}
    SELECT ${values} FROM batch b JOIN people p ON p.id = b.person_id WHERE ${wanted}
     ORDER BY p.id ${conflict}
    RETURNING n.id, n.person_id
), pushed AS (
    ${pushed}
)
SELECT created_at, person_id, (SELECT count(*) FROM batch), (SELECT count(*) FROM pushed) FROM batch ORDER BY person_id DESC LIMIT 1

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

-- name: take_pushes
-- What is due, each taken for a while; what was read, is old, or is not wanted any more is put away unsent.
WITH due AS (
    SELECT m.id FROM push_messages m
     WHERE m.due_at <= CAST(:now AS timestamptz) ORDER BY m.due_at, m.id LIMIT :limit
       FOR UPDATE SKIP LOCKED
), judged AS (
    SELECT m.id, d.paused_until,
           p.status = 'active' AND m.created_at > CAST(:oldest AS timestamptz)
           AND (m.notification_id IS NULL OR (n.read_at IS NULL AND n.changed_at > CAST(:oldest AS timestamptz)
                AND coalesce(p.settings -> 'pushed_notifications', '[]'::jsonb) ? n.kind)) AS worth
      FROM due JOIN push_messages m USING (id) JOIN push_devices d ON d.id = m.device_id
      JOIN people p ON p.id = d.person_id LEFT JOIN notifications n ON n.id = m.notification_id
), taken AS (
    UPDATE push_messages m
       SET due_at = CASE WHEN NOT j.worth THEN NULL
                         WHEN j.paused_until > CAST(:now AS timestamptz) THEN j.paused_until
                         ELSE CAST(:until AS timestamptz) END,
           attempts = m.attempts + CASE WHEN j.worth AND (j.paused_until IS NULL OR j.paused_until <= CAST(:now AS timestamptz)) THEN 1 ELSE 0 END
      FROM judged j WHERE m.id = j.id
    RETURNING m.id, m.device_id, m.notification_id, m.attempts,
              j.worth AND (j.paused_until IS NULL OR j.paused_until <= CAST(:now AS timestamptz)) AS goes
)
SELECT t.id, t.device_id, t.notification_id, t.attempts, t.goes, d.person_id, d.name, d.endpoint, d.p256dh, d.auth, d.safe
  FROM taken t JOIN push_devices d ON d.id = t.device_id
 ORDER BY t.id

-- name: record_pushes
-- Of those that nobody else has taken meanwhile.
WITH ends AS (
    SELECT * FROM jsonb_to_recordset(CAST(:ends AS jsonb)) AS e(id bigint, device_id bigint, arrived boolean, gone boolean,
           refused boolean, due_at timestamptz, pause timestamptz)
), told AS (
    SELECT device_id, bool_or(arrived) AS arrived, bool_or(refused) AND NOT bool_or(arrived) AS refused,
           bool_or(gone) AS gone, max(pause) AS pause
      FROM ends GROUP BY device_id
), leaving AS (
    SELECT d.id FROM push_devices d JOIN told t ON t.device_id = d.id
     WHERE t.gone OR (t.refused AND d.failures + 1 >= :most_refusals)
), gone AS (
    DELETE FROM push_devices d USING leaving l WHERE d.id = l.id
), devices AS (
    UPDATE push_devices d
       SET last_sent_at = CASE WHEN t.arrived THEN CAST(:now AS timestamptz) ELSE d.last_sent_at END,
           failures = CASE WHEN t.arrived THEN 0 WHEN t.refused THEN d.failures + 1 ELSE d.failures END,
           paused_until = t.pause
      FROM told t
     WHERE d.id = t.device_id AND d.id NOT IN (SELECT id FROM leaving)
)
UPDATE push_messages m
   SET due_at = e.due_at, sent_at = CASE WHEN e.arrived THEN CAST(:now AS timestamptz) ELSE m.sent_at END
  FROM ends e
 WHERE m.id = e.id AND m.due_at = CAST(:until AS timestamptz) AND m.device_id NOT IN (SELECT id FROM leaving)

-- name: sweep_pushes
DELETE FROM push_messages WHERE id IN (
    SELECT id FROM push_messages WHERE created_at < CAST(:before AS timestamptz) AND due_at IS NULL
     ORDER BY created_at LIMIT :limit)
