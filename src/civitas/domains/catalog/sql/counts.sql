-- name: take_count_changes
WITH gone AS (
    DELETE FROM count_changes
     WHERE id IN (SELECT id FROM count_changes ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING kind, key, change)
SELECT kind, key, sum(change)::bigint FROM gone GROUP BY kind, key HAVING sum(change) <> 0
 ORDER BY kind, key;

-- name: add_to_words
INSERT INTO search_words AS w (word, models)
SELECT * FROM unnest(%(keys)b::text[], %(changes)b::bigint[])
    ON CONFLICT (word) DO UPDATE SET models = w.models + excluded.models
RETURNING word;

-- name: add_forms
INSERT INTO search_forms (form, word)
SELECT * FROM unnest(%(forms)b::text[], %(words)b::text[])
    ON CONFLICT DO NOTHING;

-- name: words_without_forms
SELECT w.word FROM search_words w
 WHERE w.word = ANY(%(keys)s) AND NOT EXISTS (SELECT FROM search_forms f WHERE f.word = w.word);

-- name: drop_unused_words
DELETE FROM search_words WHERE word = ANY(%(keys)s) AND models <= 0;

-- name: add_to_tags
UPDATE tags t SET model_count = greatest(0, t.model_count + c.change)
  FROM unnest(%(keys)b::text[], %(changes)b::bigint[]) AS c(name, change)
 WHERE t.name = c.name;

-- name: add_to_safe_tags
UPDATE tags t SET safe_count = greatest(0, t.safe_count + c.change)
  FROM unnest(%(keys)b::text[], %(changes)b::bigint[]) AS c(name, change)
 WHERE t.name = c.name;

-- name: add_to_people
UPDATE people p SET model_count = greatest(0, p.model_count + c.change)
  FROM unnest(%(keys)b::text[], %(changes)b::bigint[]) AS c(id, change)
 WHERE p.id = c.id::bigint;

-- name: add_to_safe_people
UPDATE people p SET safe_model_count = greatest(0, p.safe_model_count + c.change)
  FROM unnest(%(keys)b::text[], %(changes)b::bigint[]) AS c(id, change)
 WHERE p.id = c.id::bigint;

-- name: forget_counts
TRUNCATE count_changes, search_words, search_forms;

-- name: recount_words
INSERT INTO search_words (word, models)
SELECT word, ndoc FROM ts_stat('SELECT terms FROM model_listings') WHERE word NOT LIKE '=%';

-- name: recount_facets
INSERT INTO search_words (word, models)
SELECT f.facet, count(*) FROM model_listings l CROSS JOIN LATERAL unnest(l.facets) AS f(facet) GROUP BY 1;

-- name: recount_tags
WITH counted AS (
    SELECT substr(f.facet, 2) AS name, count(*) AS models, count(*) FILTER (WHERE l.level & 3 <> 0) AS safe
      FROM model_listings l CROSS JOIN LATERAL unnest(l.facets) AS f(facet)
     WHERE f.facet LIKE '#%' GROUP BY 1)
UPDATE tags t SET model_count = coalesce(c.models, 0), safe_count = coalesce(c.safe, 0)
  FROM tags t2 LEFT JOIN counted c ON c.name = t2.name
 WHERE t.id = t2.id
   AND (t.model_count <> coalesce(c.models, 0) OR t.safe_count <> coalesce(c.safe, 0));

-- name: recount_people
WITH counted AS (
    SELECT person_id, count(*) AS models, count(*) FILTER (WHERE level & 3 <> 0) AS safe
      FROM model_listings GROUP BY 1)
UPDATE people p SET model_count = coalesce(c.models, 0), safe_model_count = coalesce(c.safe, 0)
  FROM people p2 LEFT JOIN counted c ON c.person_id = p2.id
 WHERE p.id = p2.id
   AND (p.model_count <> coalesce(c.models, 0) OR p.safe_model_count <> coalesce(c.safe, 0));

-- name: words_after
SELECT word FROM search_words WHERE word > %(after)s ORDER BY word LIMIT %(limit)s;

-- name: fold_downloads
WITH batch AS (
    UPDATE downloads SET folded = true
     WHERE id IN (SELECT id FROM downloads WHERE NOT folded ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING version_id),
by_version AS (
    SELECT b.version_id, v.model_id, count(*) AS n
      FROM batch b JOIN model_versions v ON v.id = b.version_id GROUP BY 1, 2),
versions AS (
    INSERT INTO version_metrics AS m (version_id, downloads)
    SELECT version_id, n FROM by_version ORDER BY version_id
        ON CONFLICT (version_id) DO UPDATE SET downloads = m.downloads + excluded.downloads),
models AS (
    INSERT INTO model_metrics AS m (model_id, downloads)
    SELECT model_id, sum(n) FROM by_version GROUP BY model_id ORDER BY model_id
        ON CONFLICT (model_id) DO UPDATE SET downloads = m.downloads + excluded.downloads
    RETURNING model_id)
SELECT model_id, (SELECT count(*) FROM batch) FROM models;

-- name: count_favourites
INSERT INTO model_metrics AS m (model_id, favourites)
SELECT i.id, (SELECT count(*) FROM model_engagements e WHERE e.model_id = i.id AND e.kind = 'favourite')
  FROM unnest(%(ids)s::bigint[]) AS i(id) WHERE EXISTS (SELECT FROM models WHERE models.id = i.id)
    ON CONFLICT (model_id) DO UPDATE SET favourites = excluded.favourites;


-- name: count_tip
INSERT INTO model_metrics AS m (model_id, tipped)
SELECT x.id, %(buzz)s FROM models x
 WHERE x.id = CASE %(kind)s WHEN 'model' THEN %(id)s
              ELSE (SELECT v.model_id FROM model_versions v WHERE v.id = %(id)s) END
ON CONFLICT (model_id) DO UPDATE SET tipped = m.tipped + excluded.tipped
RETURNING model_id;

-- name: count_generations
-- So many images were made with each version; their models' counters follow.
WITH used AS (
    SELECT v.id, v.model_id, u.images
      FROM unnest(%(versions)s::bigint[], %(images)s::bigint[]) AS u(id, images)
      JOIN model_versions v ON v.id = u.id
), counted AS (
    INSERT INTO version_metrics AS m (version_id, generations)
    SELECT id, images FROM used ORDER BY id
    ON CONFLICT (version_id) DO UPDATE SET generations = m.generations + excluded.generations
)
INSERT INTO model_metrics AS m (model_id, generations)
SELECT model_id, sum(images)::bigint FROM used GROUP BY model_id ORDER BY model_id
ON CONFLICT (model_id) DO UPDATE SET generations = m.generations + excluded.generations
RETURNING model_id;

-- name: set_comments
INSERT INTO model_metrics AS m (model_id, comments)
SELECT id, %(comments)s FROM models WHERE id = %(id)s
ON CONFLICT (model_id) DO UPDATE SET comments = excluded.comments
RETURNING model_id;

-- name: set_thumbs
-- The reviews of one version as they stand; its model's counters are the sums over its versions.
WITH version AS (
    INSERT INTO version_metrics AS m (version_id, thumbs_up, thumbs_down)
    SELECT id, %(up)s, %(down)s FROM model_versions WHERE id = %(version)s
    ON CONFLICT (version_id) DO UPDATE SET thumbs_up = excluded.thumbs_up, thumbs_down = excluded.thumbs_down
    RETURNING version_id
), others AS (
    SELECT v.model_id, coalesce(sum(o.thumbs_up), 0)::bigint AS up, coalesce(sum(o.thumbs_down), 0)::bigint AS down
      FROM model_versions v
      LEFT JOIN model_versions w ON w.model_id = v.model_id AND w.id <> v.id
      LEFT JOIN version_metrics o ON o.version_id = w.id
     WHERE v.id IN (SELECT version_id FROM version) GROUP BY v.model_id
)
INSERT INTO model_metrics AS m (model_id, thumbs_up, thumbs_down)
SELECT model_id, up + %(up)s, down + %(down)s FROM others
ON CONFLICT (model_id) DO UPDATE SET thumbs_up = excluded.thumbs_up, thumbs_down = excluded.thumbs_down
RETURNING model_id;
