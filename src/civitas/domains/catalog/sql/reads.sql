-- name: model_by_id
SELECT ${body}, d.stats FROM model_documents d WHERE d.model_id = %(id)s;

-- name: version_by_id
SELECT ${body}, d.stats FROM version_documents d WHERE d.version_id = %(id)s;

-- name: version_by_hash
SELECT ${body}, d.stats
  FROM file_hashes h JOIN version_documents d ON d.version_id = h.version_id
 WHERE h.value = %(hash)s
 ORDER BY d.state, d.version_id LIMIT 1;

-- name: versions_by_hashes
SELECT ${body}, d.stats
  FROM (SELECT DISTINCT ON (f.place) f.place, f.version_id
          FROM (SELECT q.place, d.state, d.version_id
                  FROM unnest(%(hashes)s::text[]) WITH ORDINALITY AS q(value, place)
                  JOIN file_hashes h ON h.value = q.value
                  JOIN version_documents d ON d.version_id = h.version_id) f
         ORDER BY f.place, f.state, f.version_id) f
  JOIN version_documents d ON d.version_id = f.version_id
 ORDER BY f.place;

-- name: ids_by_hashes
-- One long value instead of thousands of rows. A version that is there comes before a tombstone, then the earliest.
SELECT string_agg('{"modelVersionId":' || f.version_id || ',"modelId":' || f.model_id || ',"hash":"' || f.value || '"}',
                  ',' ORDER BY f.value)
  FROM (SELECT DISTINCT ON (h.value) h.value, d.version_id, d.model_id
          FROM unnest(string_to_array(%(hashes)s, ',')) AS q(value)
          JOIN file_hashes h ON h.value = q.value
          JOIN version_documents d ON d.version_id = h.version_id
         ORDER BY h.value, d.state <> 'public', d.version_id) f;

-- name: tensor_metadata
SELECT f.id, f.version_id, f.name, f.format, h.architecture, h.training, h.metadata, h.tensors,
       h.tensor_count, h.parameter_count
  FROM model_files f
  JOIN version_documents d ON d.version_id = f.version_id AND d.state = 'public'
  LEFT JOIN file_headers h ON h.file_id = f.id
 WHERE f.id = %(id)s AND f.removed_at IS NULL AND f.visibility <> 'Private';

-- name: known_words
SELECT q.word, s.word, s.models, NULL
  FROM unnest(%(words)s::text[], %(forms)s::text[]) AS q(word, form)
  JOIN search_forms f ON f.form = q.form COLLATE "C"
  JOIN search_words s ON s.word = f.word
UNION ALL
-- Facets are counted with the words, and have a colon.
SELECT %(last)s, NULL, sum(w.models)::bigint, CASE WHEN count(*) <= %(named)s::int THEN string_agg(w.word, ' ') END
  FROM (SELECT s.word, s.models FROM search_words s
         WHERE s.word >= %(last)s::text COLLATE "C" AND s.word < (%(last)s::text || chr(1114111)) COLLATE "C"
           AND position(':' IN s.word) = 0
         LIMIT %(most)s::int) w
HAVING sum(w.models) > 0
UNION ALL
SELECT NULL, NULL, reltuples::bigint, NULL FROM pg_class WHERE oid = 'model_listings'::regclass;

-- name: suggest
(SELECT 'model', l.model_id, m.name, m.type, l.downloads
   FROM (SELECT l.model_id, l.downloads FROM model_listings l
          WHERE l.level & %(mask)s::bigint <> 0 AND l.terms @@ %(query)s::tsquery ${hidden}
          ORDER BY l.downloads DESC, l.model_id DESC LIMIT %(limit)s) l
   JOIN models m ON m.id = l.model_id
  ORDER BY l.downloads DESC, l.model_id DESC)
UNION ALL
(SELECT 'creator', p.id, p.username, NULL, p.${model_count}
   FROM people p
  WHERE p.${model_count} > 0 AND p.status = 'active'
    AND p.username_folded >= %(prefix)s AND p.username_folded < %(beyond)s ${hidden_people}
  ORDER BY p.${model_count} DESC, p.id LIMIT %(limit)s)
UNION ALL
(SELECT 'tag', t.id, t.name, NULL, t.models
   FROM (SELECT id, name, CASE WHEN %(mask)s::bigint > 3 THEN model_count ELSE safe_count END AS models
           FROM tags WHERE name >= %(words)s AND name < %(words_beyond)s) t
  WHERE t.models > 0
  ORDER BY t.models DESC, t.id DESC LIMIT %(limit)s);

-- name: creators
SELECT p.username, p.avatar_key, p.${model_count}
  FROM people p
 WHERE p.${model_count} > 0 AND p.status = 'active'
   AND (%(prefix)s = '' OR (p.username_folded >= %(prefix)s AND p.username_folded < %(beyond)s))
 ORDER BY p.${model_count} DESC, p.id LIMIT %(limit)s OFFSET %(offset)s;

-- name: count_creators
SELECT count(*) FROM (
    SELECT FROM people p
     WHERE p.${model_count} > 0 AND p.status = 'active'
       AND (%(prefix)s = '' OR (p.username_folded >= %(prefix)s AND p.username_folded < %(beyond)s))
     LIMIT 100000) counted;

-- name: tags
SELECT t.name, t.${tag_count} FROM tags t
 WHERE t.${tag_count} > 0
   AND (%(prefix)s = '' OR (t.name >= %(prefix)s AND t.name < %(beyond)s))
 ORDER BY t.${tag_count} DESC, t.id DESC LIMIT %(limit)s OFFSET %(offset)s;

-- name: count_tags
SELECT count(*) FROM (
    SELECT FROM tags t
     WHERE t.${tag_count} > 0
       AND (%(prefix)s = '' OR (t.name >= %(prefix)s AND t.name < %(beyond)s))
     LIMIT 100000) counted;

-- name: users
SELECT p.id, p.username, p.avatar_key FROM people p
 WHERE p.status = 'active'
   AND (%(ids)s::bigint[] IS NULL OR p.id = ANY(%(ids)s::bigint[]))
   AND (%(prefix)s = '' OR (p.username_folded >= %(prefix)s AND p.username_folded < %(beyond)s))
 ORDER BY p.username_folded LIMIT %(limit)s;

-- name: user_by_name
SELECT p.id, p.username, p.avatar_key FROM people p
 WHERE p.status = 'active' AND p.username_folded = %(name)s;

-- name: permissions_of_models
SELECT d.model_id, d.state, m.person_id, NULL::text, m.mode, NULL::timestamptz, false, false, 0
  FROM model_documents d JOIN models m ON m.id = d.model_id WHERE d.model_id = ANY(%(ids)s);

-- name: permissions_of_versions
SELECT d.version_id, d.state, m.person_id, v.usage_control, m.mode, CASE WHEN a.gate = 'timed' THEN coalesce(a.ends_at, v.published_at + make_interval(days => a.days::int))
            ELSE v.early_access_ends_at END, v.require_auth,
       coalesce(a.gate = 'permanent' AND a.state <> 'ended', false), coalesce((SELECT e.permissions FROM entity_access e
                  WHERE e.subject_kind = 'model_version' AND e.subject_id = v.id
                    AND e.accessor_kind = 'user' AND e.accessor_id = %(viewer)s::bigint), 0)
  FROM version_documents d
  JOIN model_versions v ON v.id = d.version_id JOIN models m ON m.id = d.model_id
  LEFT JOIN version_access a ON a.version_id = v.id
 WHERE d.version_id = ANY(%(ids)s);

-- name: download_facts
SELECT m.person_id, m.status, m.mode, m.availability, m.published_at,
       v.status, v.availability, v.usage_control, v.require_auth, CASE WHEN a.gate = 'timed' THEN coalesce(a.ends_at, v.published_at + make_interval(days => a.days::int))
            ELSE v.early_access_ends_at END, v.published_at,
       f.id, f.name, f.type, f.format, f.size_class, f.precision, f.quantisation, f.visibility, f.scan_status,
       f.removed_at, f.is_primary, f.size, b.storage_key, b.sha256, b.content_type,
       (SELECT p.settings -> 'files' FROM people p WHERE p.id = %(viewer)s::bigint),
       coalesce(a.gate = 'permanent' AND a.state <> 'ended', false), coalesce((SELECT e.permissions FROM entity_access e
                  WHERE e.subject_kind = 'model_version' AND e.subject_id = v.id
                    AND e.accessor_kind = 'user' AND e.accessor_id = %(viewer)s::bigint), 0)
  FROM model_versions v
  JOIN models m ON m.id = v.model_id
  LEFT JOIN version_access a ON a.version_id = v.id
  LEFT JOIN model_files f ON f.version_id = v.id
  LEFT JOIN blobs b ON b.id = f.blob_id
 WHERE v.id = %(id)s
 ORDER BY f.is_primary DESC, f.id;
