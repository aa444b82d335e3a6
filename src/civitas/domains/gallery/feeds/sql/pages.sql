-- name: known_terms
-- Only terms that are common enough to matter for a plan.
SELECT term, images FROM feed_terms WHERE images >= 50 OR term = 0

-- name: named
SELECT 'tag', name, id FROM tags WHERE name = ANY(%(tags)s::text[])
UNION ALL SELECT 'tool', lower(name), id FROM tools WHERE lower(name) = ANY(%(tools)s::text[])
UNION ALL SELECT 'person', username_folded, id FROM people
           WHERE username_folded = ANY(%(people)s::text[]) AND status = 'active'

-- name: wishes
SELECT ARRAY(SELECT target_id FROM follows WHERE person_id = %(person)s::bigint AND kind IN ('hide', 'block')
             UNION SELECT person_id FROM follows WHERE target_id = %(person)s::bigint AND kind = 'block'),
       ARRAY(SELECT tag_id FROM hidden_tags WHERE person_id = %(person)s::bigint
             UNION SELECT id FROM tags WHERE name = ANY(%(themes)s::text[])),
       ARRAY(SELECT model_id FROM model_engagements WHERE person_id = %(person)s::bigint AND kind = 'hide'),
       ARRAY(SELECT image_id FROM hidden_images WHERE person_id = %(person)s::bigint),
       ARRAY(SELECT target_id FROM follows
              WHERE %(followed)s::boolean AND person_id = %(person)s::bigint AND kind = 'follow' LIMIT 10000)

-- name: named_like
-- Posts of the feed whose titles have these words.
SELECT l.post_id, p.title, o.username
  FROM posts p
  JOIN feed_posts l ON l.post_id = p.id
  JOIN people o ON o.id = l.person_id
 WHERE p.title IS NOT NULL AND p.deleted_at IS NULL
   AND to_tsvector('simple'::regconfig, p.title) @@ to_tsquery('simple'::regconfig, %(words)s::text)
   AND ${where}
 ORDER BY l.published_at DESC, l.post_id DESC
 LIMIT %(take)s::bigint

-- name: cards
-- What a card shows, in the order of the ids.
SELECT i.id, i.key, i.name, i.kind, coalesce(i.width, 1), coalesce(i.height, 1), i.blurhash, i.nsfw_level,
       i.created_at, p.published_at, i.post_id, i.person_id, o.username, o.avatar_key,
       left(CASE WHEN i.hide_meta THEN NULL ELSE i.meta ->> 'prompt' END, 200), i.note,
       i.meta IS NOT NULL AND NOT i.hide_meta, i.duration_ms, p.title,
       (SELECT v ->> 'format' FROM jsonb_array_elements(i.variants) AS v
         WHERE v ->> 'format' IN ('anim.webp', 'mp4') LIMIT 1),
       coalesce(s.likes, 0), coalesce(s.hearts, 0), coalesce(s.laughs, 0), coalesce(s.cries, 0),
       coalesce(s.dislikes, 0), coalesce(s.comments, 0), coalesce(s.collected, 0)
  FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS a (id, n)
  JOIN images i ON i.id = a.id
  JOIN posts p ON p.id = i.post_id
  JOIN people o ON o.id = i.person_id
  LEFT JOIN subject_counts s ON s.kind = 'image' AND s.subject_id = i.id
 ORDER BY a.n

-- name: documents
-- The public JSON of pictures with the fields of existing clients (FEATURES R5), commas between them.
SELECT string_agg(json_build_object(
           'id', i.id,
           'url', %(base)s::text || '/img/' || i.key || '/width=' || least(coalesce(i.width, 1), 1280) || '/' || i.id
                  || CASE i.kind WHEN 'video' THEN '.mp4' ELSE '.jpeg' END,
           'hash', i.blurhash, 'width', coalesce(i.width, 1), 'height', coalesce(i.height, 1), 'type', i.kind,
           'nsfw', i.nsfw_level & 60 <> 0,
           'nsfwLevel', CASE WHEN i.nsfw_level & 56 <> 0 THEN 'X' WHEN i.nsfw_level & 4 <> 0 THEN 'Mature'
                             WHEN i.nsfw_level & 2 <> 0 THEN 'Soft' ELSE 'None' END,
           'browsingLevel', i.nsfw_level,
           'createdAt', to_char(i.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
           'publishedAt', to_char(p.published_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
           'postId', i.post_id,
           'stats', json_build_object(
               'cryCount', coalesce(s.cries, 0), 'laughCount', coalesce(s.laughs, 0),
               'likeCount', coalesce(s.likes, 0), 'dislikeCount', coalesce(s.dislikes, 0),
               'heartCount', coalesce(s.hearts, 0), 'commentCount', coalesce(s.comments, 0),
               'collectedCount', coalesce(s.collected, 0)),
           'meta', CASE WHEN NOT i.hide_meta THEN i.meta END,
           'username', o.username,
           'baseModel', u.base_model,
           'modelVersionIds', coalesce(u.ids, '{}'::bigint[]),
           'remixOfId', i.remix_of_id)::text, ',' ORDER BY a.n)
  FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS a (id, n)
  JOIN images i ON i.id = a.id
  JOIN posts p ON p.id = i.post_id
  JOIN people o ON o.id = i.person_id
  LEFT JOIN subject_counts s ON s.kind = 'image' AND s.subject_id = i.id
  LEFT JOIN LATERAL (
      SELECT array_agg(v.id ORDER BY w.own DESC, v.id) AS ids,
             (array_agg(v.base_model ORDER BY w.own DESC, v.id))[1] AS base_model
        FROM (SELECT version_id, bool_or(own) AS own
                FROM (SELECT r.version_id, false AS own FROM image_resources r WHERE r.image_id = i.id
                      UNION ALL SELECT p.version_id, true WHERE p.version_id IS NOT NULL) b
               GROUP BY version_id) w
        JOIN model_versions v ON v.id = w.version_id
        JOIN models m ON m.id = v.model_id
       WHERE v.status = 'Published' AND v.availability <> 'Private'
         AND m.status = 'Published' AND m.availability <> 'Private') u ON true

-- name: own
-- Pictures of one's own that the feed does not have, by one of these.
SELECT i.id FROM images i JOIN posts p ON p.id = i.post_id
 WHERE i.deleted_at IS NULL AND p.deleted_at IS NULL AND i.status = 'ready'
   AND (i.id = %(image)s::bigint OR i.post_id = %(post)s::bigint)
   AND (i.person_id = %(viewer)s::bigint OR %(staff)s::boolean)
 ORDER BY i.position, i.id LIMIT 200

-- name: post_cards
-- What a post shows of itself: its first pictures that the viewer may see.
SELECT p.id, p.title, p.published_at, p.person_id, o.username, o.avatar_key, t.count, t.ids
  FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS a (id, n)
  JOIN posts p ON p.id = a.id
  JOIN people o ON o.id = p.person_id
  JOIN LATERAL (SELECT count(*) AS count, (array_agg(f.image_id ORDER BY i.position, i.id))[1:4] AS ids
                  FROM feed_images f JOIN images i ON i.id = f.image_id
                 WHERE f.post_id = p.id AND f.level & %(mask)s::int <> 0) t ON t.count > 0
 ORDER BY a.n
