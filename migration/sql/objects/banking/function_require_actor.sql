-- Internal: returns the actor of the transaction, and rejects the call without one. p_action is the
-- change that needs the actor, p_example one who may make it.
CREATE OR REPLACE FUNCTION banking.require_actor(p_action text, p_example text) RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_actor text := nullif(current_setting('neobank.actor', true), '');
BEGIN
    IF v_actor IS NULL THEN
        RAISE EXCEPTION '% needs an actor', p_action
            USING ERRCODE = 'NB006',
                  HINT = format('SET LOCAL neobank.actor = %L', p_example);
    END IF;
    RETURN v_actor;
END
$$;
REVOKE ALL ON FUNCTION banking.require_actor(text, text) FROM PUBLIC;
