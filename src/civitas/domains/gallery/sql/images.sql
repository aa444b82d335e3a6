-- name: deliverable
SELECT i.key,
       CASE i.original WHEN 'as_is' THEN b.storage_key WHEN 'stripped' THEN 'originals/' || i.key END,
       coalesce(i.content_type, 'application/octet-stream'), coalesce(i.width, 1),
       i.variants, i.hide_meta
  FROM images i JOIN blobs b ON b.id = i.blob_id JOIN posts p ON p.id = i.post_id
 WHERE i.key = %s AND i.status = 'ready' AND i.deleted_at IS NULL AND p.deleted_at IS NULL AND i.nsfw_level & 32 = 0
