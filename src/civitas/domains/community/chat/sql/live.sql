-- name: unread
SELECT count(*)
  FROM chat_members m JOIN chat_rooms r ON r.id = m.room_id
 WHERE m.person_id = %s AND m.state IN ('invited', 'joined') AND NOT m.muted AND r.last_message_id > m.read_id

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
