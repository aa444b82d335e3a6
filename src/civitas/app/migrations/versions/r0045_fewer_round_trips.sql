-- A person's memberships that run, each as the columns that decide what they give.
CREATE FUNCTION buzz_memberships_of(p_person bigint, p_latest timestamptz) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT coalesce(json_agg(json_build_array(m.person_id, m.id, m.tier, m.colour, m.billing, m.status, m.started_at,
                                              m.period_end, m.cancel_at_end)), '[]')
      FROM memberships m
     WHERE m.person_id = p_person AND m.status IN ('active', 'past_due') AND m.period_end > p_latest
$$;

-- What a key may spend, after taking its lock until the transaction ends.
CREATE FUNCTION buzz_key_limit(p_key bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    found jsonb;
BEGIN
    SELECT k.buzz_limit INTO found FROM api_keys k WHERE k.id = p_key FOR NO KEY UPDATE;
    RETURN found;
END $$;

-- What is there before a submission: a workflow of the same external id, the same work under way, how much is, ids for
-- its steps, the person's memberships, and what the key may spend. Whoever submits what waits for others waits for
-- their own submissions before, so that what is seen here stays true until the transaction ends.
CREATE FUNCTION orchestration_admit(
    p_person bigint, p_waits boolean, p_external text, p_fingerprint bytea, p_since timestamptz, p_steps integer,
    p_latest timestamptz, p_key bigint,
    OUT same text, OUT twin text, OUT under_way bigint, OUT ids bigint[], OUT memberships json, OUT key_limit jsonb
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    IF p_waits OR p_external IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(7240100, (p_person % 2147483647)::integer);
    END IF;
    IF p_external IS NOT NULL THEN
        SELECT w.id INTO same FROM workflows w WHERE w.person_id = p_person AND w.external_id = p_external;
        IF same IS NOT NULL THEN
            RETURN;
        END IF;
    ELSE
        SELECT w.id INTO twin FROM workflows w
         WHERE w.person_id = p_person AND w.fingerprint = p_fingerprint AND w.created_at > p_since
           AND w.status IN ('unassigned', 'preparing', 'scheduled', 'processing')
           AND w.deleted_at IS NULL AND w.external_id IS NULL
         ORDER BY w.created_at DESC LIMIT 1;
    END IF;
    ids := ARRAY(SELECT nextval('workflow_steps_id_seq') FROM generate_series(1, p_steps));
    IF p_waits THEN
        SELECT count(*) INTO under_way FROM workflows w
         WHERE w.person_id = p_person AND w.status IN ('unassigned', 'preparing', 'scheduled', 'processing');
        memberships := buzz_memberships_of(p_person, p_latest);
        IF p_key IS NOT NULL THEN
            key_limit := buzz_key_limit(p_key);
        END IF;
    END IF;
END $$;

-- What is behind claims of an agent that are open, and all rows of their workflows, after every lock that the end of
-- their jobs needs: all workflows, then all jobs, then all claims on them, each in the order of their ids. Claims that
-- are over are not among them. What is read was read after the locks were had.
CREATE FUNCTION orchestration_held(
    p_claims bigint[], p_agent bigint, OUT claims json, OUT workflows json, OUT steps json, OUT jobs json
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    owners text[];
    theirs text[];
BEGIN
    SELECT array_agg(j.workflow_id), array_agg(j.id) INTO owners, theirs
      FROM job_claims c JOIN jobs j ON j.id = c.job_id
     WHERE c.id = ANY (p_claims) AND c.agent_id = p_agent AND c.state = 'open';
    IF owners IS NULL THEN
        RETURN;
    END IF;
    PERFORM FROM workflows w WHERE w.id = ANY (owners) ORDER BY w.id FOR UPDATE;
    PERFORM FROM jobs j WHERE j.id = ANY (theirs) ORDER BY j.id FOR UPDATE;
    PERFORM FROM job_claims c WHERE c.job_id = ANY (theirs) AND c.state = 'open' ORDER BY c.id FOR UPDATE;
    SELECT json_agg(json_build_array(c.id, c.job_id, c.claimed_at, j.status, j.workflow_id, j.step_type, j.capability,
                                     j.complexity, j.slots)), array_agg(j.workflow_id)
      INTO claims, owners
      FROM job_claims c JOIN jobs j ON j.id = c.job_id
     WHERE c.id = ANY (p_claims) AND c.agent_id = p_agent AND c.state = 'open'
       AND j.status IN ('scheduled', 'preparing', 'processing');
    workflows := (SELECT json_agg(to_json(w)) FROM workflows w WHERE w.id = ANY (owners));
    steps := (SELECT json_agg(to_json(s) ORDER BY s.workflow_id, s.position, s.id)
                FROM workflow_steps s WHERE s.workflow_id = ANY (owners));
    jobs := (SELECT json_agg(to_json(j) ORDER BY j.workflow_id, j.step_id, j.number, j.attempt)
               FROM jobs j WHERE j.workflow_id = ANY (owners));
END $$;
