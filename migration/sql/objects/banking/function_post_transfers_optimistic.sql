-- Posts transfers that were decided without locks, and rejects them if anything that the decision
-- depends on has changed since (docs/decisions/0009). As post_transfers(), and:
-- * Each p_posted_at is the earliest time of the transfer. The server's time of the call replaces
--   it where that is later. The function returns the server's time.
-- * The fence is one of the accounts, which must still have p_fence_version when the call updates
--   it. A caller that lost the answer increments the version, and then knows that its call can no
--   longer post.
-- * The read set is the accounts of rejected requests, each as it must be after the call has
--   updated the balances. p_unused_key is the keys of rejected requests, which no transfer may
--   have.
-- * The server's time of the call replaces the time of each hold event. The read set has the account
--   of each event, and the destination of each new hold.
-- * p_batch_lock is the key of an advisory lock that this call holds until its transaction ends, as
--   a signal to a successor (docs/decisions/0011). Where the lock is taken, the call goes on
--   without it: another session that holds it delays a successor by 10 ms and stops none.
-- SECURITY DEFINER, because the application itself may not touch a balance.
CREATE OR REPLACE FUNCTION banking.post_transfers_optimistic(
    p_transfer_id uuid[],
    p_transfer_type text[],
    p_amount numeric[],
    p_currency_code text[],
    p_description text[],
    p_idempotency_key text[],
    p_request_hash bytea[],
    p_posted_at timestamptz[],
    p_from_account_id uuid[],
    p_from_entry_number bigint[],
    p_from_balance numeric[],
    p_debit_id uuid[],
    p_debit_description text[],
    p_to_account_id uuid[],
    p_to_entry_number bigint[],
    p_to_balance numeric[],
    p_credit_id uuid[],
    p_credit_description text[],
    p_fence_account_id uuid DEFAULT NULL,
    p_fence_version bigint DEFAULT NULL,
    p_read_set_account_id uuid[] DEFAULT NULL,
    p_read_set_version bigint[] DEFAULT NULL,
    p_read_set_balance numeric[] DEFAULT NULL,
    p_read_set_held numeric[] DEFAULT NULL,
    p_read_set_limit numeric[] DEFAULT NULL,
    p_read_set_status text[] DEFAULT NULL,
    p_unused_key text[] DEFAULT NULL,
    p_batch_lock bigint DEFAULT NULL,
    p_group_id uuid[] DEFAULT NULL,
    p_reverses_transfer_id uuid[] DEFAULT NULL,
    p_hold_id uuid[] DEFAULT NULL,
    p_actor text[] DEFAULT NULL,
    p_metadata jsonb[] DEFAULT NULL,
    p_value_date date[] DEFAULT NULL,
    p_hold_events jsonb DEFAULT NULL
) RETURNS timestamptz
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- The plans are made once for a session, perhaps on an empty table or for a large batch, and kept:
-- they must fit both. So accounts are looked up one by one by their key, and never read as a whole.
-- What a database or a role says of these settings does not count, nor does the cost of such a
-- plan, which would ask for a compiler. The settings hold in the internal functions as well.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET enable_nestloop = on
SET enable_indexscan = on
SET jit = off
-- Enough for a session that makes room in the same tables, not for one that holds an account: a
-- decision that has to wait is wrong.
SET lock_timeout = '10ms'
AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_transfers banking.new_transfer[];
    v_attributes banking.transfer_attributes[];
    v_hold_events banking.new_hold_event[];
    -- The internal functions return true: an assignment costs less than PERFORM, which is a query.
    v_done boolean;
    v_has_limits boolean;
BEGIN
    v_done := banking.start_posting();
    IF p_batch_lock IS NOT NULL THEN
        PERFORM pg_try_advisory_xact_lock(p_batch_lock);
    END IF;
    v_transfers := banking.compose_transfers(
        p_transfer_id, p_transfer_type, p_amount, p_currency_code, p_description,
        p_idempotency_key, p_request_hash, p_posted_at, p_from_account_id, p_from_entry_number,
        p_from_balance, p_debit_id, p_debit_description, p_to_account_id, p_to_entry_number,
        p_to_balance, p_credit_id, p_credit_description, v_now
    );
    -- Few calls have attributes, and the others do not pay for a call of the function.
    IF num_nonnulls(
        p_group_id, p_reverses_transfer_id, p_hold_id, p_actor, p_metadata, p_value_date
    ) > 0 OR p_transfer_type && '{reversal,journal_entry,exchange}'::text[] THEN
        v_attributes := banking.compose_attributes(
            v_transfers, p_group_id, p_reverses_transfer_id, p_hold_id, p_actor,
            p_metadata, p_value_date
        );
    END IF;
    -- Rows that are written and rolled back stay in the tables until a vacuum: balances come first.
    IF p_hold_events IS NULL THEN
        v_has_limits := banking.apply_balances(v_transfers, v_now, p_fence_account_id, p_fence_version);
    ELSE
        v_hold_events := banking.compose_hold_events(p_hold_events, v_now);
        v_has_limits := banking.apply_balances_and_holds(
            v_transfers, v_now, v_hold_events, p_fence_account_id, p_fence_version
        );
    END IF;
    v_done := banking.validate_read_set(
        p_read_set_account_id, p_read_set_version, p_read_set_balance, p_read_set_held,
        p_read_set_limit, p_read_set_status, p_unused_key
    );
    v_done := banking.insert_journal(v_transfers, v_attributes);
    IF p_hold_events IS NOT NULL THEN
        v_done := banking.insert_hold_events(v_hold_events);
    END IF;
    IF v_attributes IS NOT NULL THEN
        v_done := banking.validate_reversals(p_transfer_id);
        IF p_value_date IS NOT NULL THEN
            v_done := banking.require_open_days(v_transfers, p_value_date);
        END IF;
        IF p_hold_id IS NOT NULL THEN
            v_done := banking.require_captures(p_transfer_id);
        END IF;
    END IF;
    -- With a fence, apply_balances() accepts no account with limits.
    IF v_has_limits THEN
        v_done := banking.require_limits(v_transfers);
    END IF;
    v_done := banking.end_posting();
    RETURN v_now;
END
$$;
REVOKE ALL ON FUNCTION banking.post_transfers_optimistic(
    uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[], uuid[], bigint[],
    numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[], uuid, bigint,
    uuid[], bigint[], numeric[], numeric[], numeric[], text[], text[], bigint,
    uuid[], uuid[], uuid[], text[], jsonb[], date[], jsonb
) FROM PUBLIC;
