-- name: people
INSERT INTO people (id, username, username_folded)
SELECT i, 'maker_' || i, 'maker_' || i FROM generate_series(1, %(people)s) i;

-- name: tags
INSERT INTO tags (id, name)
SELECT i, (%(words)s::jsonb ->> (i)) || ' ' || (%(words)s::jsonb ->> (i + 7)) FROM generate_series(1, %(tags)s) i;

-- name: models
INSERT INTO models (id, person_id, name, description, type, status, nsfw_level, published_at, last_version_at,
                    created_at, allow_no_credit, allow_commercial_use, checkpoint_type)
SELECT i, 1 + floor(%(people)s * power(random(), 2))::int,
       initcap((%(words)s::jsonb ->> (1 + floor(power(random(), 3) * %(vocabulary)s)::int)) || ' ' ||
               (%(words)s::jsonb ->> (1 + floor(power(random(), 2) * %(vocabulary)s)::int)) ||
               CASE WHEN i %% 3 = 0 THEN ' v' || i %% 9 ELSE '' END),
       repeat('A model of the benchmark, with a description of ordinary length. ', 6),
       (ARRAY['LORA','LORA','LORA','LORA','LORA','LORA','LORA','Checkpoint','TextualInversion','LoCon',
              'VAE','Checkpoint','LORA','DoRA','Controlnet','Workflows'])[1 + floor(random() * 16)::int],
       'Published', (ARRAY[1,1,1,1,1,3,3,5,12,28])[1 + floor(random() * 10)::int], t.at, t.at, t.at,
       random() < 0.7, (ARRAY['{Sell}','{Image,Rent}','{None}'])[1 + floor(random() * 3)::int]::text[],
       CASE WHEN random() < 0.1 THEN 'Merge' END
  FROM generate_series(1, %(models)s) i,
       LATERAL (SELECT now() - random() * interval '1000 days' + i * interval '0 s' AS at) t;

-- name: model_tags
INSERT INTO model_tags (model_id, tag_id)
SELECT DISTINCT i, 1 + floor(%(tags)s * power(random(), 3) + 0 * (i + k))::int
  FROM generate_series(1, %(models)s) i, generate_series(1, 4) k;

-- name: versions
INSERT INTO model_versions (id, model_id, name, position, status, base_model, trained_words, published_at)
SELECT 3 * (i - 1) + k, i, 'v' || k || '.0', 3 - k, 'Published',
       (ARRAY['SDXL 1.0','SDXL 1.0','Pony','Pony','Illustrious','SD 1.5','SD 1.5','SD 1.5','Flux.1 D',
              'NoobAI','SD 2.1','Wan Video'])[1 + floor(random() * 12)::int],
       ARRAY[(%(words)s::jsonb ->> (1 + floor(random() * %(vocabulary)s)::int))], now()
  FROM generate_series(1, %(models)s) i, generate_series(1, 3) k;

-- name: blobs
INSERT INTO blobs (id, sha256, size, storage_key, content_type, blake3, crc32)
SELECT i, sha256(i::text::bytea), 200000000 + i, 'blobs/bench/' || i, 'application/octet-stream',
       sha256(('b' || i)::bytea), substr(sha256(i::text::bytea), 1, 4)
  FROM generate_series(1, 3 * %(models)s) i;

-- name: files
INSERT INTO model_files (id, version_id, blob_id, name, type, format, size_class, precision, is_primary, size,
                         scan_status, scanned_at)
SELECT i, i, i, 'file_' || i || '.safetensors', 'Model', CASE WHEN i %% 20 = 0 THEN 'GGUF' ELSE 'SafeTensor' END,
       'pruned', 'fp16', true, 200000000 + i, 'clean', now()
  FROM generate_series(1, 3 * %(models)s) i;

-- name: hashes
INSERT INTO file_hashes (file_id, kind, value, version_id)
SELECT i, h.kind, upper(h.value), i
  FROM generate_series(1, 3 * %(models)s) i,
       LATERAL (SELECT encode(sha256(i::text::bytea), 'hex') AS sha, encode(sha256(('b' || i)::bytea), 'hex') AS b) d,
       LATERAL (VALUES ('SHA256', d.sha), ('AutoV2', left(d.sha, 10)), ('AutoV1', substr(d.b, 1, 8)),
                       ('AutoV3', substr(d.b, 9, 12)), ('CRC32', substr(d.sha, 11, 8)), ('BLAKE3', d.b))
       AS h(kind, value);

-- name: previews
INSERT INTO version_previews (version_id, image_id, position, key, name, width, height, blurhash, nsfw_level, person_id)
SELECT v.id, 2 * v.id + k, k, md5((2 * v.id + k)::text)::uuid::text, 'picture.png', 832, 1216,
       'LEHV6nWB2yk8pyo0adR*.7kCMdnj', CASE WHEN k = 0 THEN m.nsfw_level & -m.nsfw_level ELSE 1 END, m.person_id
  FROM model_versions v JOIN models m ON m.id = v.model_id, generate_series(0, 1) k;

-- name: model_metrics
INSERT INTO model_metrics (model_id, downloads, favourites, thumbs_up, thumbs_down, comments, collected, images)
SELECT i, floor(1e6 * power(random(), 8)), floor(1e4 * power(random(), 6)), floor(1e4 * power(random(), 6)),
       floor(500 * power(random(), 6)), floor(500 * power(random(), 6)), floor(5e3 * power(random(), 6)),
       floor(5e3 * power(random(), 6))
  FROM generate_series(1, %(models)s) i;

-- name: version_metrics
INSERT INTO version_metrics (version_id, downloads)
SELECT i, floor(3e5 * power(random(), 8)) FROM generate_series(1, 3 * %(models)s) i;
