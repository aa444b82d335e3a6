-- name: models
SELECT m.person_id, 1 AS points
  FROM downloads d JOIN model_versions v ON v.id = d.version_id JOIN models m ON m.id = v.model_id
 WHERE d.created_at >= :since AND d.created_at < :until
   AND d.person_id IS DISTINCT FROM m.person_id AND m.status = 'Published'
UNION ALL
SELECT m.person_id, 10
  FROM reviews r JOIN models m ON m.id = r.model_id
 WHERE r.created_at >= :since AND r.created_at < :until
   AND r.recommended AND r.excluded_at IS NULL AND r.person_id <> m.person_id AND m.status = 'Published'

-- name: checkpoints
SELECT m.person_id, 1 AS points
  FROM downloads d JOIN model_versions v ON v.id = d.version_id JOIN models m ON m.id = v.model_id
 WHERE d.created_at >= :since AND d.created_at < :until AND m.type = 'Checkpoint'
   AND d.person_id IS DISTINCT FROM m.person_id AND m.status = 'Published'
UNION ALL
SELECT m.person_id, 10
  FROM reviews r JOIN models m ON m.id = r.model_id
 WHERE r.created_at >= :since AND r.created_at < :until AND m.type = 'Checkpoint'
   AND r.recommended AND r.excluded_at IS NULL AND r.person_id <> m.person_id AND m.status = 'Published'

-- name: loras
SELECT m.person_id, 1 AS points
  FROM downloads d JOIN model_versions v ON v.id = d.version_id JOIN models m ON m.id = v.model_id
 WHERE d.created_at >= :since AND d.created_at < :until AND m.type IN ('LORA', 'LoCon', 'DoRA')
   AND d.person_id IS DISTINCT FROM m.person_id AND m.status = 'Published'
UNION ALL
SELECT m.person_id, 10
  FROM reviews r JOIN models m ON m.id = r.model_id
 WHERE r.created_at >= :since AND r.created_at < :until AND m.type IN ('LORA', 'LoCon', 'DoRA')
   AND r.recommended AND r.excluded_at IS NULL AND r.person_id <> m.person_id AND m.status = 'Published'

-- name: images
SELECT i.person_id, 1 AS points
  FROM reactions r JOIN images i ON i.id = r.subject_id AND i.kind = 'image' AND i.deleted_at IS NULL
 WHERE r.kind = 'image' AND r.reaction <> 'dislike' AND r.person_id <> i.person_id
   AND r.created_at >= :since AND r.created_at < :until

-- name: videos
SELECT i.person_id, 1 AS points
  FROM reactions r JOIN images i ON i.id = r.subject_id AND i.kind = 'video' AND i.deleted_at IS NULL
 WHERE r.kind = 'image' AND r.reaction <> 'dislike' AND r.person_id <> i.person_id
   AND r.created_at >= :since AND r.created_at < :until

-- name: articles
SELECT a.person_id, 1 AS points
  FROM article_views v JOIN articles a ON a.id = v.article_id AND a.status = 'published' AND a.deleted_at IS NULL
 WHERE v.day >= CAST(:since AS date) AND v.day < CAST(:until AS date)
UNION ALL
SELECT a.person_id, 10
  FROM reactions r JOIN articles a ON a.id = r.subject_id AND a.status = 'published' AND a.deleted_at IS NULL
 WHERE r.kind = 'article' AND r.reaction <> 'dislike' AND r.person_id <> a.person_id
   AND r.created_at >= :since AND r.created_at < :until
UNION ALL
SELECT a.person_id, 25
  FROM comments c JOIN comment_threads t ON t.id = c.thread_id AND t.kind = 'article'
  JOIN articles a ON a.id = t.subject_id AND a.status = 'published' AND a.deleted_at IS NULL
 WHERE c.state = 'shown' AND c.person_id <> a.person_id AND c.created_at >= :since AND c.created_at < :until

-- name: generators
SELECT i.person_id, 1 AS points
  FROM images i JOIN posts p ON p.id = i.post_id AND p.deleted_at IS NULL
 WHERE i.workflow_id IS NOT NULL AND i.status = 'ready' AND i.deleted_at IS NULL
   AND p.published_at >= :since AND p.published_at < :until
UNION ALL
SELECT i.person_id, 10
  FROM reactions r JOIN images i ON i.id = r.subject_id AND i.workflow_id IS NOT NULL AND i.deleted_at IS NULL
 WHERE r.kind = 'image' AND r.reaction <> 'dislike' AND r.person_id <> i.person_id
   AND r.created_at >= :since AND r.created_at < :until

-- name: reviewers
SELECT r.person_id, 1 AS points
  FROM reviews r JOIN models m ON m.id = r.model_id
 WHERE r.created_at >= :since AND r.created_at < :until
   AND r.excluded_at IS NULL AND r.person_id <> m.person_id AND length(r.content) >= 50

-- name: appreciated
SELECT t.to_id AS person_id, t.amount / 4 AS points
  FROM tips t WHERE t.created_at >= :since AND t.created_at < :until

-- name: donors
SELECT t.from_id AS person_id, t.amount / 4 AS points
  FROM tips t WHERE t.created_at >= :since AND t.created_at < :until

-- name: rank
-- The places of one board on one day, from what its statement gives; nobody who left, was banned or is kept off.
INSERT INTO board_standings (board, span, day, person_id, points, position)
SELECT :board, :span, :day, person_id, points, position
  FROM (SELECT g.person_id, sum(g.points)::bigint AS points,
               row_number() OVER (ORDER BY sum(g.points) DESC, g.person_id) AS position
          FROM given g
          JOIN people p ON p.id = g.person_id AND p.id > 0 AND p.status = 'active' AND NOT p.off_leaderboards
         GROUP BY g.person_id
        HAVING sum(g.points) > 0) ranked
 WHERE position <= :ranks

-- name: forget_legends
DELETE FROM board_legends

-- name: legends
-- Six, eight and ten hundred for the first ten, three and one of a day; four hundred down to the hundredth.
INSERT INTO board_legends (board, person_id, points, diamonds, golds, silvers, bronzes, position)
SELECT board, person_id, points, diamonds, golds, silvers, bronzes,
       row_number() OVER (PARTITION BY board ORDER BY points DESC, person_id)
  FROM (SELECT s.board, s.person_id,
               sum(100 * CASE WHEN s.position = 1 THEN 10 WHEN s.position <= 3 THEN 8
                              WHEN s.position <= 10 THEN 6 ELSE 4 END)::bigint AS points,
               count(*) FILTER (WHERE s.position = 1) AS diamonds,
               count(*) FILTER (WHERE s.position BETWEEN 2 AND 3) AS golds,
               count(*) FILTER (WHERE s.position BETWEEN 4 AND 10) AS silvers,
               count(*) FILTER (WHERE s.position BETWEEN 11 AND 100) AS bronzes
          FROM board_standings s
          JOIN people p ON p.id = s.person_id AND p.status = 'active' AND NOT p.off_leaderboards
         WHERE s.span = 'window' AND s.position <= 100
         GROUP BY s.board, s.person_id) summed
