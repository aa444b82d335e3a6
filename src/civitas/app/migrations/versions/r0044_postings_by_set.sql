-- The postings of one entry, too, are gone through as a set: two statements for however many accounts.
CREATE OR REPLACE FUNCTION buzz_apply_postings() RETURNS trigger
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    low bigint;
    high bigint;
    balanced boolean;
    accounts bigint[];
    currencies text[];
    amounts bigint[];
    free bigint[];
    done bigint[];
    put integer;
BEGIN
    -- Of a currency that is none of these there is no account, which is found out below.
    SELECT min(entry_id), max(entry_id), array_agg(account_id), array_agg(currency), array_agg(amount),
           coalesce(sum(amount) FILTER (WHERE currency = 'blue'), 0) = 0
           AND coalesce(sum(amount) FILTER (WHERE currency = 'green'), 0) = 0
           AND coalesce(sum(amount) FILTER (WHERE currency = 'yellow'), 0) = 0
           AND coalesce(sum(amount) FILTER (WHERE currency = 'cash'), 0) = 0
      INTO low, high, accounts, currencies, amounts, balanced FROM added;
    IF low < high THEN
        PERFORM buzz_apply_set((SELECT array_agg(entry_id) FROM added), accounts, currencies, amounts);
        RETURN NULL;
    END IF;
    IF NOT balanced THEN
        RAISE EXCEPTION 'entry % does not sum to zero', low USING ERRCODE = 'check_violation';
    END IF;
    IF low IS NULL THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (SELECT FROM buzz_entries WHERE id = low) THEN
        RAISE EXCEPTION 'entry % is not there', low USING ERRCODE = 'foreign_key_violation';
    END IF;
    free := ARRAY(SELECT id FROM buzz_accounts WHERE id = ANY (accounts) FOR NO KEY UPDATE SKIP LOCKED);
    WITH changed AS (
        UPDATE buzz_accounts a SET balance = a.balance + g.x
          FROM unnest(accounts, currencies, amounts) AS g(i, c, x)
         WHERE a.id = g.i AND a.currency = g.c AND (a.id = ANY (free) OR a.guarded AND g.x < 0)
        RETURNING a.id)
    SELECT array_agg(id) INTO done FROM changed;
    IF cardinality(done) = cardinality(accounts) THEN
        RETURN NULL;
    END IF;
    INSERT INTO buzz_unfolded (account_id, amount)
    SELECT a.id, g.x FROM unnest(accounts, currencies, amounts) AS g(i, c, x)
      JOIN buzz_accounts a ON a.id = g.i AND a.currency = g.c
     WHERE g.i <> ALL (coalesce(done, '{}'));
    GET DIAGNOSTICS put = ROW_COUNT;
    IF coalesce(cardinality(done), 0) + put < cardinality(accounts) THEN
        RAISE EXCEPTION 'an account is not there, or holds another currency' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
