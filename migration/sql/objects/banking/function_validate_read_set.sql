-- Internal: rejects a call that rejected a request for a reason which no longer holds.
-- The read set is the accounts of rejected requests, each as it must be after the call has updated
-- the balances. The version is not enough: a predecessor's speculative state may never have been
-- committed, and another call may have given the account the same version.
-- The unused keys are the keys of rejected requests. They are looked up in a later statement, and so
-- in a later snapshot, than the accounts. A rejection is therefore true at the moment when the
-- accounts were read.
-- The callers, the posting functions, pin the planner's settings for these statements.
CREATE OR REPLACE FUNCTION banking.validate_read_set(
    p_account_id uuid[],
    p_version bigint[],
    p_balance numeric[],
    p_held numeric[],
    p_limit numeric[],
    p_status text[],
    p_unused_key text[]
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_unchanged bigint;
BEGIN
    IF p_account_id IS NOT NULL THEN
        SELECT count(*)
        INTO v_unchanged
        FROM unnest(p_account_id, p_version, p_balance, p_held, p_limit, p_status)
            AS read (account_id, version, balance, held, overdraft_limit, status)
        CROSS JOIN LATERAL (
            SELECT FROM banking.accounts AS account
            WHERE account.account_id = read.account_id
              AND account.version = read.version
              AND account.current_balance = read.balance
              AND account.held_balance = read.held
              AND account.overdraft_limit IS NOT DISTINCT FROM read.overdraft_limit
              AND account.account_status = read.status
            OFFSET 0
        ) AS unchanged;
        IF v_unchanged <> cardinality(p_account_id) THEN
            RAISE EXCEPTION 'accounts have changed: % of % are as they were',
                    v_unchanged, cardinality(p_account_id)
                USING ERRCODE = 'NB002', HINT = 'Read the accounts and decide again.';
        END IF;
    END IF;
    IF p_unused_key IS NOT NULL AND EXISTS (
        SELECT FROM unnest(p_unused_key) AS unused (idempotency_key)
        CROSS JOIN LATERAL (
            SELECT FROM banking.transfers AS transfer
            WHERE transfer.idempotency_key = unused.idempotency_key
            OFFSET 0
        ) AS used
    ) THEN
        RAISE EXCEPTION 'a rejected request has a key that was used before'
            USING ERRCODE = 'NB002', HINT = 'Look the keys up and decide again.';
    END IF;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.validate_read_set(
    uuid[], bigint[], numeric[], numeric[], numeric[], text[], text[]
) FROM PUBLIC;
