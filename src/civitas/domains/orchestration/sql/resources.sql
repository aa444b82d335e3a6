-- name: files
-- The file of each version that agents load: the primary one, when it was found to be safe.
SELECT v.id AS version_id, m.id AS model_id, m.person_id, f.id AS file_id, f.name AS filename,
       upper(encode(b.sha256, 'hex')) AS sha256, f.size, m.type, v.base_model, v.trained_words
  FROM model_versions v
  JOIN models m ON m.id = v.model_id
  JOIN model_files f ON f.version_id = v.id AND f.is_primary AND f.removed_at IS NULL AND f.scan_status = 'clean'
  JOIN blobs b ON b.id = f.blob_id
 WHERE v.id = ANY(:versions);
