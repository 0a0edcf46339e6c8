-- Records a change of a customer, an account or preferences, by whichever role and statement it was
-- made. Only the changed columns are recorded, and for preferences the changed keys. Balances and
-- what follows from them are in the journal. A number becomes a text, so that no reader rounds it.
-- SECURITY DEFINER, because no role may insert into the change log itself.
CREATE OR REPLACE FUNCTION banking.log_change() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_actor text := nullif(current_setting('neobank.actor', true), '');
    -- Null where there is no such row.
    v_before jsonb := to_jsonb(OLD);
    v_after jsonb := to_jsonb(NEW);
    v_row jsonb := coalesce(v_after, v_before);
    v_is_document boolean := TG_TABLE_NAME = 'customer_preferences';
    v_old jsonb;
    v_new jsonb;
BEGIN
    SELECT jsonb_object_agg(changed.key, changed.old_value) FILTER (WHERE changed.old_value IS NOT NULL),
           jsonb_object_agg(changed.key, changed.new_value) FILTER (WHERE changed.new_value IS NOT NULL)
    INTO v_old, v_new
    FROM (
        SELECT key,
               CASE WHEN jsonb_typeof(before.value) = 'number' AND NOT v_is_document
                    THEN to_jsonb(before.value #>> '{}') ELSE before.value END AS old_value,
               CASE WHEN jsonb_typeof(after.value) = 'number' AND NOT v_is_document
                    THEN to_jsonb(after.value #>> '{}') ELSE after.value END AS new_value
        FROM jsonb_each(CASE WHEN v_is_document THEN v_before -> 'preferences' ELSE v_before END)
            AS before (key, value)
        FULL JOIN jsonb_each(CASE WHEN v_is_document THEN v_after -> 'preferences' ELSE v_after END)
            AS after (key, value) USING (key)
        WHERE before.value IS DISTINCT FROM after.value
          AND (v_is_document
               OR key <> ALL ('{current_balance,held_balance,available_balance,last_entry_number,last_entry_at,version,has_limits,created_at,updated_at}')
                  -- A new row's empty columns say nothing.
                  AND (TG_OP <> 'INSERT' OR after.value <> 'null'))
    ) AS changed;
    IF v_old IS NULL AND v_new IS NULL THEN
        RETURN NULL;
    END IF;
    IF v_actor IS NULL AND current_setting('neobank.require_actor', true) = 'on' THEN
        RAISE EXCEPTION 'a change of banking.% needs an actor', TG_TABLE_NAME
            USING ERRCODE = 'NB006', HINT = 'SET LOCAL neobank.actor = ''teller:42''';
    END IF;
    INSERT INTO banking.change_log
        (table_name, operation, customer_id, account_id, actor, database_role, old_values, new_values)
    VALUES
        (TG_TABLE_NAME, lower(TG_OP), (v_row ->> 'customer_id')::uuid, (v_row ->> 'account_id')::uuid,
         v_actor, session_user, v_old, v_new);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION banking.log_change() FROM PUBLIC;
