-- name: before
-- What is there before a submission: its external id, the same work under way, how much is, and ids for its steps.
SELECT (SELECT w.id FROM workflows w WHERE w.person_id = %(person)s::bigint AND w.external_id = %(external)s::text) AS same,
       (SELECT w.id FROM workflows w
         WHERE w.person_id = %(person)s::bigint AND w.fingerprint = %(fingerprint)s AND w.created_at > %(since)s::timestamptz
           AND w.status IN ('unassigned', 'preparing', 'scheduled', 'processing')
           AND w.deleted_at IS NULL AND w.external_id IS NULL
         ORDER BY w.created_at DESC LIMIT 1) AS twin,
       (SELECT count(*) FROM workflows w
         WHERE w.person_id = %(person)s::bigint
           AND w.status IN ('unassigned', 'preparing', 'scheduled', 'processing')) AS under_way,
       ARRAY(SELECT nextval('workflow_steps_id_seq') FROM generate_series(1, %(steps)s::integer)) AS ids;

-- name: served
-- Which of these capabilities some living agent has.
SELECT c.capability FROM unnest(CAST(:capabilities AS text[])) AS c(capability)
 WHERE EXISTS (SELECT FROM agents a
                WHERE a.revoked_at IS NULL AND a.wish <> 'drain'
                  AND a.seen_at > CAST(:now AS timestamptz) - make_interval(secs => :live)
                  AND (c.capability = ANY(a.capabilities)
                       OR split_part(c.capability, '/', 1) || '/*' = ANY(a.capabilities)));
