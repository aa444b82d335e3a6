-- name: lock_models
SELECT id FROM models WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE;

-- name: models
SELECT m.*, p.username, p.avatar_key,
       (SELECT array_agg(t.name ORDER BY t.name)
          FROM model_tags mt JOIN tags t ON t.id = mt.tag_id WHERE mt.model_id = m.id) AS tags
  FROM models m LEFT JOIN people p ON p.id = m.person_id
 WHERE m.id = ANY(%(ids)s);

-- name: versions
SELECT v.*, to_jsonb(a) - 'rights_hash' AS access
  FROM model_versions v LEFT JOIN version_access a ON a.version_id = v.id
 WHERE v.model_id = ANY(%(ids)s) ORDER BY v.model_id, v.position, v.id DESC;

-- name: files
SELECT f.*, h.hashes, s.checks
  FROM model_files f
  JOIN model_versions v ON v.id = f.version_id
  LEFT JOIN LATERAL (
       SELECT jsonb_object_agg(kind, value) AS hashes FROM file_hashes WHERE file_id = f.id) h ON true
  LEFT JOIN LATERAL (
       SELECT checks FROM file_scans WHERE file_id = f.id ORDER BY id DESC LIMIT 1) s ON true
 WHERE v.model_id = ANY(%(ids)s)
 ORDER BY f.version_id, f.is_primary DESC, f.id;

-- name: previews
SELECT p.* FROM version_previews p JOIN model_versions v ON v.id = p.version_id
 WHERE v.model_id = ANY(%(ids)s)
 ORDER BY p.version_id, p.position, p.image_id;

-- name: listed_before
SELECT person_id, level, facets, tsvector_to_array(terms)
  FROM model_listings WHERE model_id = ANY(%(ids)s);

-- name: write_models
INSERT INTO model_documents (model_id, state, safe, "full", version_ids)
SELECT d.model_id, d.state, d.safe, d."full", string_to_array(d.version_ids, ',')::bigint[]
  FROM unnest(%(ids)b::bigint[], %(states)b::text[], %(safe)b::text[], %(full)b::text[], %(versions)b::text[])
       AS d(model_id, state, safe, "full", version_ids)
    ON CONFLICT (model_id) DO UPDATE
   SET state = excluded.state, safe = excluded.safe, "full" = excluded."full",
       version_ids = excluded.version_ids;

-- name: write_versions
INSERT INTO version_documents (version_id, model_id, state, safe, "full")
SELECT * FROM unnest(
       %(ids)b::bigint[], %(models)b::bigint[], %(states)b::text[], %(safe)b::text[], %(full)b::text[])
    ON CONFLICT (version_id) DO UPDATE
   SET model_id = excluded.model_id, state = excluded.state, safe = excluded.safe, "full" = excluded."full";

-- name: forget_models
DELETE FROM model_documents WHERE model_id = ANY(%(ids)s) AND model_id <> ALL(%(keep)s);

-- name: forget_versions
DELETE FROM version_documents WHERE model_id = ANY(%(ids)s) AND version_id <> ALL(%(keep)s);

-- name: forget_listings
DELETE FROM model_listings WHERE model_id = ANY(%(ids)s) AND model_id <> ALL(%(keep)s);

-- name: write_listings
-- The counters are taken over by `refresh`, which runs after this in the same transaction.
INSERT INTO model_listings
       (model_id, person_id, name, level, facets, terms, early_access_until, last_version_at)
SELECT l.model_id, l.person_id, l.name, l.level, string_to_array(l.facets, chr(31)), l.terms::tsvector,
       l.early_access_until, l.last_version_at
  FROM unnest(%(ids)b::bigint[], %(people)b::bigint[], %(names)b::text[], %(levels)b::bigint[],
              %(facets)b::text[], %(terms)b::text[], %(early)b::timestamptz[], %(moments)b::timestamptz[])
       AS l(model_id, person_id, name, level, facets, terms, early_access_until, last_version_at)
    ON CONFLICT (model_id) DO UPDATE
   SET person_id = excluded.person_id, name = excluded.name, level = excluded.level,
       facets = excluded.facets, terms = excluded.terms,
       early_access_until = excluded.early_access_until, last_version_at = excluded.last_version_at;

-- name: write_count_changes
INSERT INTO count_changes (kind, key, change)
SELECT * FROM unnest(%(kinds)b::text[], %(keys)b::text[], %(changes)b::bigint[]);

-- name: ids_after
SELECT id FROM models WHERE id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: models_of_person
SELECT id FROM models WHERE person_id = %(person)s ORDER BY id;

-- name: version_stats
-- The counters of a version as JSON; `m` is its row of version_metrics or nulls.
format('{"downloadCount":%%s,"ratingCount":%%s,"rating":%%s,"thumbsUpCount":%%s,"thumbsDownCount":%%s,'
       '"imageCount":%%s,"generationCount":%%s}',
       coalesce(m.downloads, 0), coalesce(m.thumbs_up + m.thumbs_down, 0),
       coalesce(round(5.0 * m.thumbs_up / nullif(m.thumbs_up + m.thumbs_down, 0), 2), 0),
       coalesce(m.thumbs_up, 0), coalesce(m.thumbs_down, 0), coalesce(m.images, 0),
       coalesce(m.generations, 0));

-- name: model_stats
-- The counters of a model as JSON; `m` is its row of model_metrics or nulls.
format('{"downloadCount":%%s,"favoriteCount":%%s,"thumbsUpCount":%%s,"thumbsDownCount":%%s,'
       '"commentCount":%%s,"ratingCount":%%s,"rating":%%s,"collectedCount":%%s,'
       '"imageCount":%%s,"generationCount":%%s,"tippedAmountCount":%%s}',
       coalesce(m.downloads, 0), coalesce(m.favourites, 0), coalesce(m.thumbs_up, 0),
       coalesce(m.thumbs_down, 0), coalesce(m.comments, 0), coalesce(m.thumbs_up + m.thumbs_down, 0),
       coalesce(round(5.0 * m.thumbs_up / nullif(m.thumbs_up + m.thumbs_down, 0), 2), 0),
       coalesce(m.collected, 0), coalesce(m.images, 0), coalesce(m.generations, 0), coalesce(m.tipped, 0));

-- name: stats_of_model
SELECT ${model_stats} FROM models d LEFT JOIN model_metrics m ON m.model_id = d.id WHERE d.id = %(id)s;

-- name: stats_of_versions
SELECT d.id, ${version_stats}
  FROM model_versions d LEFT JOIN version_metrics m ON m.version_id = d.id WHERE d.model_id = %(id)s;

-- name: refresh_versions
UPDATE version_documents d
   SET stats = s.stats
  FROM (SELECT d.version_id, ${version_stats} AS stats
          FROM version_documents d LEFT JOIN version_metrics m ON m.version_id = d.version_id
         WHERE d.model_id = ANY(%(ids)s)) s
 WHERE d.version_id = s.version_id AND d.stats <> s.stats;

-- name: refresh_models
UPDATE model_documents d
   SET stats = concat_ws(chr(1), s.own, s.versions)
  FROM (SELECT d.model_id, ${model_stats} AS own,
               (SELECT string_agg(v.stats, chr(1) ORDER BY o.place)
                  FROM unnest(d.version_ids) WITH ORDINALITY AS o(version_id, place)
                  JOIN version_documents v ON v.version_id = o.version_id) AS versions
          FROM model_documents d LEFT JOIN model_metrics m ON m.model_id = d.model_id
         WHERE d.model_id = ANY(%(ids)s)) s
 WHERE d.model_id = s.model_id AND d.stats IS DISTINCT FROM concat_ws(chr(1), s.own, s.versions);

-- name: refresh_listings
-- `rating` is the lower bound of the interval of Wilson at 95 percent (Wilson 1927): few thumbs count for little.
UPDATE model_listings l
   SET downloads = s.downloads, thumbs_up = s.up, comments = s.comments, collected = s.collected,
       images = s.images, rating = s.rating, stars = s.stars
  FROM (SELECT model_id, downloads, thumbs_up AS up, comments, collected, images,
               CASE WHEN n = 0 THEN 0 ELSE
                    ((up / n + 1.9208 / n - 1.96 * sqrt(up * (n - up) / n + 0.9604) / n) / (1 + 3.8416 / n))
               END AS rating,
               CASE WHEN n = 0 THEN 0 ELSE 5 * up / n END AS stars
          FROM (SELECT m.*, m.thumbs_up::float8 AS up, (m.thumbs_up + m.thumbs_down)::float8 AS n
                  FROM model_metrics m WHERE m.model_id = ANY(%(ids)s)) m) s
 WHERE l.model_id = s.model_id
   AND (l.downloads, l.thumbs_up, l.comments, l.collected, l.images, l.rating, l.stars)
       IS DISTINCT FROM (s.downloads, s.up, s.comments, s.collected, s.images, s.rating, s.stars);
