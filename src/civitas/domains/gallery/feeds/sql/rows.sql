-- name: fold
-- Takes up to `limit` changes into the counts, and says what was counted.
WITH taken AS (
    DELETE FROM engagement_changes
     WHERE id = ANY(ARRAY(SELECT id FROM engagement_changes ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING kind, subject_id, what, step
), sums AS (
    SELECT kind, subject_id,
           coalesce(sum(step) FILTER (WHERE what = 'like'), 0) AS likes,
           coalesce(sum(step) FILTER (WHERE what = 'heart'), 0) AS hearts,
           coalesce(sum(step) FILTER (WHERE what = 'laugh'), 0) AS laughs,
           coalesce(sum(step) FILTER (WHERE what = 'cry'), 0) AS cries,
           coalesce(sum(step) FILTER (WHERE what = 'dislike'), 0) AS dislikes,
           coalesce(sum(step) FILTER (WHERE what = 'comment'), 0) AS comments,
           coalesce(sum(step) FILTER (WHERE what = 'collect'), 0) AS collected,
           count(*) AS changes
      FROM taken GROUP BY kind, subject_id ORDER BY kind, subject_id
), counted AS (
    INSERT INTO subject_counts AS s
           (kind, subject_id, likes, hearts, laughs, cries, dislikes, comments, collected)
    SELECT kind, subject_id, likes, hearts, laughs, cries, dislikes, comments, collected FROM sums
    ON CONFLICT (kind, subject_id) DO UPDATE
       SET likes = s.likes + excluded.likes, hearts = s.hearts + excluded.hearts,
           laughs = s.laughs + excluded.laughs, cries = s.cries + excluded.cries,
           dislikes = s.dislikes + excluded.dislikes, comments = s.comments + excluded.comments,
           collected = s.collected + excluded.collected
    RETURNING kind, subject_id
)
SELECT kind, subject_id, changes FROM counted JOIN sums USING (kind, subject_id)

-- name: lock
-- Whoever writes rows of the feed anew holds the pictures, so that nobody overwrites what is newer.
SELECT id FROM images WHERE id = ANY(%(ids)s::bigint[]) ORDER BY id FOR NO KEY UPDATE

-- name: lock_posts
SELECT id FROM posts WHERE id = ANY(%(ids)s::bigint[]) ORDER BY id FOR NO KEY UPDATE

-- name: truth
-- The rows that the feed should have for these pictures: what everybody may be shown. Terms stand in orders, too,
-- whose entries have a largest size.
SELECT i.id AS image_id, i.post_id, i.person_id, p.published_at,
       ('x' || left(md5(i.id::text), 8))::bit(32)::int AS shuffle,
       floor(extract(epoch FROM p.published_at) / 604800)::smallint AS week,
       p.published_at > %(now)s::timestamptz - interval '35 days' AS fresh,
       (i.nsfw_level & 31)::smallint AS level,
       ARRAY(SELECT DISTINCT t.term FROM (
           SELECT ${flag} + (CASE i.kind WHEN 'image' THEN 1 WHEN 'video' THEN 2 ELSE 3 END) AS term
           UNION ALL SELECT ${flag} + 32 + (i.nsfw_level & 31)::int
           UNION ALL SELECT ${flag} + 4 WHERE i.meta IS NOT NULL AND NOT i.hide_meta
           UNION ALL SELECT ${flag} + 5 WHERE i.workflow_id IS NOT NULL
           UNION ALL SELECT ${flag} + (CASE WHEN i.remix_of_id IS NULL THEN 6 ELSE 7 END)
           UNION ALL
           SELECT unnest(ARRAY[
                      ${base} + ('x' || left(md5(lower(v.base_model)), 6))::bit(24)::int,
                      ${kind_base} + ('x' || left(md5(i.kind || lower(v.base_model)), 6))::bit(24)::int,
                      ${version} + (v.id & ${low})::int, ${model} + (v.model_id & ${low})::int])
             FROM (SELECT r.version_id FROM image_resources r WHERE r.image_id = i.id
                   UNION SELECT p.version_id WHERE p.version_id IS NOT NULL) u
             JOIN model_versions v ON v.id = u.version_id
           UNION ALL SELECT ${tag} + (t.tag_id & ${low})::int FROM image_tags t
                      WHERE t.image_id = i.id AND NOT t.hidden
           UNION ALL SELECT ${tag} + (t.tag_id & ${low})::int FROM post_tags t WHERE t.post_id = i.post_id
           UNION ALL SELECT ${tool} + (t.tool_id & ${low})::int FROM image_tools t WHERE t.image_id = i.id
       ) t ORDER BY t.term LIMIT 500) AS terms
  FROM images i
  JOIN posts p ON p.id = i.post_id
  JOIN people o ON o.id = i.person_id
 WHERE i.id = ANY(%(ids)s::bigint[])
   AND i.status = 'ready' AND i.deleted_at IS NULL AND i.nsfw_level & 32 = 0 AND i.nsfw_level & 31 <> 0
   AND p.deleted_at IS NULL AND p.published_at <= %(now)s::timestamptz AND p.availability = 'public'
   AND o.status <> 'banned'
   AND (p.version_id IS NULL OR NOT p.showcase OR EXISTS (
       SELECT FROM model_versions v JOIN models m ON m.id = v.model_id
        WHERE v.id = p.version_id AND v.status = 'Published' AND v.availability <> 'Private'
          AND m.status = 'Published' AND m.availability <> 'Private'))

-- name: rebuild
WITH truth AS MATERIALIZED (${truth}), gone AS (
    DELETE FROM feed_images f
     WHERE f.image_id = ANY(%(ids)s::bigint[]) AND f.image_id NOT IN (SELECT image_id FROM truth)
    RETURNING 1
), written AS (
    INSERT INTO feed_images AS f
           (image_id, post_id, person_id, published_at, shuffle, week, fresh, level, terms)
    SELECT image_id, post_id, person_id, published_at, shuffle, week, fresh, level, terms FROM truth
    ON CONFLICT (image_id) DO UPDATE
       SET post_id = excluded.post_id, person_id = excluded.person_id, published_at = excluded.published_at,
           week = excluded.week, fresh = excluded.fresh, level = excluded.level, terms = excluded.terms
     WHERE (f.post_id, f.person_id, f.published_at, f.week, f.fresh, f.level, f.terms)
           IS DISTINCT FROM (excluded.post_id, excluded.person_id, excluded.published_at, excluded.week,
                             excluded.fresh, excluded.level, excluded.terms)
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM written)

-- name: rank
-- Ranks follow the folded counts; most changes of a large count leave its rank as it is.
UPDATE feed_images f SET reactions = r.reactions, comments = r.comments, collected = r.collected
  FROM (SELECT f.image_id, ${rank_reactions} AS reactions, ${rank_comments} AS comments,
               ${rank_collected} AS collected
          FROM feed_images f
          LEFT JOIN subject_counts s ON s.kind = 'image' AND s.subject_id = f.image_id
         WHERE f.image_id = ANY(%(ids)s::bigint[])) r
 WHERE f.image_id = r.image_id
   AND (f.reactions, f.comments, f.collected) IS DISTINCT FROM (r.reactions, r.comments, r.collected)

-- name: truth_posts
SELECT f.post_id, min(f.person_id) AS person_id, min(f.published_at) AS published_at,
       bit_or(f.level) AS level, ${rank_reactions} AS reactions, ${rank_comments} AS comments,
       ${rank_collected} AS collected,
       ARRAY(SELECT DISTINCT t FROM feed_images g, unnest(g.terms) t WHERE g.post_id = f.post_id ORDER BY t) AS terms
  FROM feed_images f
  LEFT JOIN LATERAL (
      SELECT sum(c.likes)::int AS likes, sum(c.hearts)::int AS hearts, sum(c.laughs)::int AS laughs,
             sum(c.cries)::int AS cries, sum(c.comments)::int AS comments, sum(c.collected)::int AS collected
        FROM subject_counts c
       WHERE (c.kind = 'post' AND c.subject_id = f.post_id)
          OR (c.kind = 'image' AND c.subject_id IN (SELECT h.image_id FROM feed_images h WHERE h.post_id = f.post_id))
  ) s ON true
 WHERE f.post_id = ANY(%(ids)s::bigint[])
 GROUP BY f.post_id, s.likes, s.hearts, s.laughs, s.cries, s.comments, s.collected

-- name: rebuild_posts
WITH truth AS MATERIALIZED (${truth_posts}), gone AS (
    DELETE FROM feed_posts f
     WHERE f.post_id = ANY(%(ids)s::bigint[]) AND f.post_id NOT IN (SELECT post_id FROM truth)
    RETURNING 1
), written AS (
    INSERT INTO feed_posts AS f (post_id, person_id, published_at, reactions, comments, collected, level, terms)
    SELECT post_id, person_id, published_at, reactions, comments, collected, level, terms FROM truth
    ON CONFLICT (post_id) DO UPDATE
       SET person_id = excluded.person_id, published_at = excluded.published_at,
           reactions = excluded.reactions, comments = excluded.comments, collected = excluded.collected,
           level = excluded.level, terms = excluded.terms
     WHERE (f.person_id, f.published_at, f.reactions, f.comments, f.collected, f.level, f.terms)
           IS DISTINCT FROM (excluded.person_id, excluded.published_at, excluded.reactions, excluded.comments,
                             excluded.collected, excluded.level, excluded.terms)
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM written)

-- name: posts_of
SELECT DISTINCT post_id FROM images WHERE id = ANY(%(ids)s::bigint[])

-- name: images_of_posts
SELECT id FROM images WHERE post_id = ANY(%(ids)s::bigint[]) ORDER BY id

-- name: images_of_person
SELECT id FROM images WHERE person_id = %(id)s AND id > %(after)s ORDER BY id LIMIT %(limit)s

-- name: images_of_model
SELECT DISTINCT i.id FROM model_versions v
  JOIN LATERAL (SELECT i.id FROM posts p JOIN images i ON i.post_id = p.id WHERE p.version_id = v.id
                UNION SELECT r.image_id FROM image_resources r WHERE r.version_id = v.id) i ON true
 WHERE v.model_id = %(id)s AND i.id > %(after)s ORDER BY i.id LIMIT %(limit)s

-- name: images_by_id
SELECT id FROM (SELECT id FROM images WHERE id > %(after)s
                UNION SELECT image_id FROM feed_images WHERE image_id > %(after)s) i
 ORDER BY id LIMIT %(limit)s

-- name: stale
UPDATE feed_images SET fresh = false
 WHERE fresh AND image_id = ANY(ARRAY(
     SELECT image_id FROM feed_images WHERE fresh AND published_at <= %(now)s::timestamptz - interval '35 days'
      ORDER BY published_at LIMIT %(limit)s))

-- name: count_terms
-- Exact while the feed is small, from a sample of its pages when it is large.
WITH sample AS (${sample}),
found AS (
    SELECT t AS term, count(*) AS n FROM sample, unnest(terms) t GROUP BY t
    UNION ALL SELECT 0, count(*) FROM sample
    UNION ALL SELECT ${week} + week, count(*) FROM sample GROUP BY week
    UNION ALL SELECT tier.term, count(*) FROM sample
        JOIN (VALUES ${tiers}) AS tier (term, col, least)
          ON CASE tier.col WHEN 'reactions' THEN reactions WHEN 'comments' THEN comments ELSE collected END
             >= tier.least
       GROUP BY tier.term
), cleared AS (DELETE FROM feed_terms WHERE term NOT IN (SELECT term FROM found))
INSERT INTO feed_terms AS f (term, images) SELECT term, (n * %(factor)s)::bigint FROM found
ON CONFLICT (term) DO UPDATE SET images = excluded.images WHERE f.images IS DISTINCT FROM excluded.images

-- name: unfilled
SELECT NOT EXISTS (SELECT FROM feed_images)
       AND EXISTS (SELECT FROM images i JOIN posts p ON p.id = i.post_id
                    WHERE i.status = 'ready' AND i.deleted_at IS NULL AND i.nsfw_level & 32 = 0
                      AND p.deleted_at IS NULL AND p.availability = 'public' AND p.version_id IS NULL
                      AND p.published_at <= %(now)s::timestamptz)

-- name: shown_versions
SELECT f.image_id, v.id, m.id, m.person_id
  FROM feed_images f
  JOIN posts p ON p.id = f.post_id
  JOIN LATERAL (SELECT r.version_id FROM image_resources r WHERE r.image_id = f.image_id
                UNION SELECT p.version_id WHERE p.version_id IS NOT NULL) u ON true
  JOIN model_versions v ON v.id = u.version_id
  JOIN models m ON m.id = v.model_id
 WHERE f.post_id = %(id)s ORDER BY f.image_id, v.id
