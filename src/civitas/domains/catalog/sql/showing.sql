-- name: frame
-- A model's document and what stands around it: its owner, its state, where it was forked from, and what the
-- viewer has decided about it. One row for every model that was ever made; the caller decides who may see it.
SELECT m.id, m.person_id, m.name, m.type, m.status, m.mode, m.availability, m.origin, m.source, m.nsfw_level,
       m.unpublished_reason, m.unpublished_note, m.scheduled_at, m.published_at, m.deleted_at,
       p.username, p.avatar_key, p.status = 'active', p.follower_count,
       CASE WHEN %(mask)s::int > 3 THEN p.model_count ELSE p.safe_model_count END, p.created_at,
       d.state, ${body}, d.stats,
       f.version_id, f.version_name, f.model_id, f.model_name, f.username,
       EXISTS (SELECT FROM model_engagements e
                WHERE e.person_id = %(viewer)s::bigint AND e.model_id = m.id AND e.kind = 'favourite'),
       EXISTS (SELECT FROM model_engagements e
                WHERE e.person_id = %(viewer)s::bigint AND e.model_id = m.id AND e.kind = 'hide'),
       (SELECT w.kind FROM follows w WHERE w.person_id = %(viewer)s::bigint AND w.target_id = m.person_id),
       m.editor_ids,
       ARRAY(SELECT c.username FROM people c
              WHERE c.id = ANY(m.editor_ids) AND c.status = 'active' AND c.username IS NOT NULL ORDER BY c.username),
       p.badge
  FROM models m
  LEFT JOIN people p ON p.id = m.person_id
  LEFT JOIN model_documents d ON d.model_id = m.id
  LEFT JOIN LATERAL (
       SELECT v.id AS version_id, v.name AS version_name, o.id AS model_id, o.name AS model_name, c.username
         FROM model_versions v
         JOIN version_documents vd ON vd.version_id = v.id AND vd.state = 'public'
         JOIN models o ON o.id = v.model_id
         LEFT JOIN people c ON c.id = o.person_id
        WHERE v.id = m.forked_from_version_id
          AND (o.nsfw_level = 0 OR o.nsfw_level & %(mask)s::int <> 0)) f ON true
 WHERE m.id = %(id)s;

-- name: version_extras
-- The newest scan and the header's summary of each file, and the versions recommended with this one.
SELECT (SELECT jsonb_object_agg(f.id, jsonb_build_object(
               'verdict', s.verdict, 'checks', s.checks, 'imports', s.imports, 'scanners', s.scanners,
               'finishedAt', s.finished_at))
          FROM model_files f
          CROSS JOIN LATERAL (
               SELECT * FROM file_scans WHERE file_id = f.id ORDER BY id DESC LIMIT 1) s
         WHERE f.version_id = %(id)s AND f.removed_at IS NULL),
       (SELECT jsonb_object_agg(f.id, jsonb_build_object(
               'architecture', h.architecture, 'tensors', h.tensor_count, 'parameters', h.parameter_count))
          FROM model_files f JOIN file_headers h ON h.file_id = f.id
         WHERE f.version_id = %(id)s AND f.removed_at IS NULL),
       (SELECT jsonb_agg(jsonb_build_object(
               'versionId', v.id, 'version', v.name, 'modelId', m.id, 'model', m.name, 'type', m.type,
               'baseModel', v.base_model, 'strength', r.strength, 'note', r.note, 'creator', c.username,
               'preview', (
                   SELECT jsonb_build_object(
                          'key', i.key, 'name', i.name, 'width', i.width, 'height', i.height,
                          'blurhash', i.blurhash, 'level', i.nsfw_level)
                     FROM version_previews i
                    WHERE i.version_id = v.id AND i.kind = 'image' AND i.nsfw_level & %(mask)s::int <> 0
                    ORDER BY i.position, i.image_id LIMIT 1))
               ORDER BY r.position, r.resource_id)
          FROM recommended_resources r
          JOIN version_documents d ON d.version_id = r.resource_id AND d.state = 'public'
          JOIN model_versions v ON v.id = r.resource_id
          JOIN models m ON m.id = v.model_id
          LEFT JOIN people c ON c.id = m.person_id
         WHERE r.version_id = %(id)s AND (m.nsfw_level = 0 OR m.nsfw_level & %(mask)s::int <> 0)),
       (SELECT jsonb_agg(jsonb_build_object(
               'relation', w.relation, 'note', w.note, 'air', w.air, 'versionId', v.id, 'version', v.name,
               'modelId', m.id, 'model', m.name, 'type', m.type, 'creator', c.username) ORDER BY w.id)
          FROM version_parents w
          LEFT JOIN version_documents d ON d.version_id = w.parent_id AND d.state = 'public'
          LEFT JOIN model_versions v ON v.id = d.version_id
          LEFT JOIN models m ON m.id = v.model_id
          LEFT JOIN people c ON c.id = m.person_id
         WHERE w.version_id = %(id)s
           AND (w.air IS NOT NULL OR m.nsfw_level = 0 OR m.nsfw_level & %(mask)s::int <> 0)),
       (SELECT count(*) FROM version_parents w
          JOIN version_documents d ON d.version_id = w.version_id AND d.state = 'public'
          JOIN models m ON m.id = d.model_id
         WHERE w.parent_id = %(id)s AND (m.nsfw_level = 0 OR m.nsfw_level & %(mask)s::int <> 0));

-- name: works_of
-- Other models of a creator, the most downloaded first: ids only, their documents follow in one statement.
SELECT ${body}, d.stats
  FROM (SELECT l.model_id, l.downloads
          FROM model_listings l
         WHERE l.person_id = %(person)s AND l.model_id <> %(except)s AND l.level & %(mask)s::int <> 0
         ORDER BY l.downloads DESC, l.model_id DESC LIMIT %(limit)s) l
  JOIN model_documents d ON d.model_id = l.model_id
 ORDER BY l.downloads DESC, l.model_id DESC;

-- name: front
-- What the front page chooses its shelves from: categories, base models of what is new, who published lately.
SELECT (SELECT jsonb_agg(jsonb_build_array(t.name, t.model_count))
          FROM (SELECT name, models AS model_count
                  FROM (SELECT id, name, CASE WHEN %(mask)s::int > 3 THEN model_count ELSE safe_count END AS models
                          FROM tags WHERE is_category) c
                 WHERE models > 0 ORDER BY models DESC, id DESC LIMIT 16) t),
       (SELECT jsonb_agg(jsonb_build_array(b.name, b.models))
          FROM (SELECT substr(f.facet, 3) AS name, count(*) AS models
                  FROM (SELECT unnest(l.facets) AS facet
                          FROM (SELECT facets FROM model_listings
                                 WHERE level & %(mask)s::int <> 0
                                 ORDER BY last_version_at DESC, model_id DESC LIMIT 400) l) f
                 WHERE f.facet LIKE 'b:%%' GROUP BY f.facet ORDER BY 2 DESC, 1 LIMIT 12) b),
       (SELECT jsonb_agg(jsonb_build_array(p.username, p.avatar_key,
                                            CASE WHEN %(mask)s::int > 3 THEN p.model_count ELSE p.safe_model_count END, p.follower_count)
                         ORDER BY c.latest DESC)
          FROM (SELECT l.person_id, max(l.last_version_at) AS latest
                  FROM (SELECT person_id, last_version_at FROM model_listings
                         WHERE level & %(mask)s::int <> 0
                         ORDER BY last_version_at DESC, model_id DESC LIMIT 300) l
                 WHERE NOT EXISTS (SELECT FROM follows w
                                    WHERE w.person_id = %(viewer)s::bigint AND w.target_id = l.person_id
                                      AND w.kind IN ('hide', 'block'))
                 GROUP BY l.person_id ORDER BY 2 DESC LIMIT 10) c
          JOIN people p ON p.id = c.person_id AND p.status = 'active');

-- name: pictures_of_creators
-- Up to `each` pictures of every creator, one of each of their newest models.
SELECT p.username_folded, i.key, i.name, i.width, i.height, i.blurhash, i.nsfw_level
  FROM people p
  CROSS JOIN LATERAL (
       SELECT l.model_id FROM model_listings l
        WHERE l.person_id = p.id AND l.level & %(mask)s::int <> 0
        ORDER BY l.model_id DESC LIMIT %(each)s) l
  CROSS JOIN LATERAL (
       SELECT i.* FROM model_versions v
         JOIN version_documents d ON d.version_id = v.id AND d.state = 'public'
         JOIN version_previews i ON i.version_id = v.id
        WHERE v.model_id = l.model_id AND i.kind = 'image' AND i.nsfw_level & %(mask)s::int <> 0
        ORDER BY v.position, v.id DESC, i.position, i.image_id LIMIT 1) i
 WHERE p.username_folded = ANY(%(names)s::text[])
 ORDER BY p.id, l.model_id DESC;

-- name: map_pages
-- Every so many listed models one id: where the pages of the site map begin.
SELECT model_id FROM (
       SELECT model_id, row_number() OVER (ORDER BY model_id) AS place
         FROM model_listings WHERE level & 3 <> 0) l
 WHERE (place - 1) %% %(size)s = 0 ORDER BY model_id LIMIT 50000;

-- name: map_models
SELECT l.model_id, m.name, greatest(m.updated_at, l.last_version_at)
  FROM model_listings l JOIN models m ON m.id = l.model_id
 WHERE l.model_id >= %(after)s AND l.level & 3 <> 0
 ORDER BY l.model_id LIMIT %(size)s;
