-- Internal: begins a call of the posting functions.
-- The setting neobank.posting tells the journal's triggers that a posting function has done their
-- work. It counts only for roles that may change a balance, and an error takes it back. It is set
-- here and not in a function's definition, which only a superuser could create.
CREATE OR REPLACE FUNCTION banking.start_posting() RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_ignored text := set_config('neobank.posting', 'on', true);
BEGIN
    -- The commit is durable, whatever the role, the database or the session sets. A stronger
    -- setting, such as remote_apply, stays. This one lasts until the transaction has committed.
    IF current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN
        v_ignored := set_config('synchronous_commit', 'on', true);
    END IF;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.start_posting() FROM PUBLIC;
