-- name: deliverable
SELECT i.key, b.storage_key, coalesce(i.content_type, 'application/octet-stream'), coalesce(i.width, 1),
       i.variants, i.hide_meta
  FROM images i JOIN blobs b ON b.id = i.blob_id
 WHERE i.key = %s AND i.status = 'ready' AND i.deleted_at IS NULL AND i.nsfw_level & 32 = 0
