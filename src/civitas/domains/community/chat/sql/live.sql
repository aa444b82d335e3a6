-- name: unread
-- Rooms in which somebody else, with no block between, said something that was not read: a hundred at most.
SELECT p.id, (SELECT count(*) FROM (
        SELECT FROM chat_members m JOIN chat_rooms r ON r.id = m.room_id
         WHERE m.person_id = p.id AND m.state IN ('invited', 'joined') AND NOT m.muted AND r.last_message_id > m.read_id
           AND EXISTS (SELECT FROM chat_messages c
                WHERE c.room_id = m.room_id AND c.id > m.read_id AND c.person_id <> p.id
                  AND NOT EXISTS (SELECT FROM follows f WHERE f.kind = 'block'
                       AND ((f.person_id = p.id AND f.target_id = c.person_id)
                         OR (f.person_id = c.person_id AND f.target_id = p.id))))
         LIMIT 100) few)
  FROM unnest(%s::bigint[]) AS p(id)

-- name: stirring
SELECT m.person_id, c.id, c.room_id
  FROM chat_messages c
  JOIN chat_members m ON m.room_id = c.room_id AND m.state IN ('invited', 'joined')
 WHERE m.person_id = ANY(%s::bigint[]) AND c.created_at > %s
   AND NOT EXISTS (SELECT 1 FROM follows f WHERE f.kind = 'block'
                    AND ((f.person_id = m.person_id AND f.target_id = c.person_id)
                      OR (f.person_id = c.person_id AND f.target_id = m.person_id)))
 ORDER BY c.id

-- name: missed
SELECT c.id, c.room_id
  FROM chat_members m
  JOIN chat_messages c ON c.room_id = m.room_id
 WHERE m.person_id = %s AND m.state IN ('invited', 'joined') AND c.id > %s
   AND NOT EXISTS (SELECT 1 FROM follows f WHERE f.kind = 'block'
                    AND ((f.person_id = m.person_id AND f.target_id = c.person_id)
                      OR (f.person_id = c.person_id AND f.target_id = m.person_id)))
 ORDER BY c.id
 LIMIT 200
