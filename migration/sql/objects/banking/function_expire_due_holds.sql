-- Records the end of every hold on an account whose time is over, and returns their number. Such a
-- hold reserves nothing, whether or not its end is recorded, but the account's row still has it: a
-- change of the account that asks for the held balance calls this function first.
-- SECURITY DEFINER, because the application itself may not touch a balance.
CREATE OR REPLACE FUNCTION banking.expire_due_holds(p_account_id uuid) RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- As in post_transfers(), whose internal functions this one calls.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET enable_nestloop = on
SET enable_indexscan = on
SET jit = off
AS $$
DECLARE
    v_now timestamptz;
    v_account banking.accounts;
    v_events banking.new_hold_event[];
    v_done boolean;
BEGIN
    SELECT * INTO v_account FROM banking.accounts AS account
    WHERE account.account_id = p_account_id FOR NO KEY UPDATE;
    v_now := clock_timestamp();
    v_events := ARRAY(
        SELECT jsonb_populate_record(NULL::banking.new_hold_event, jsonb_build_object(
            'place', row_number() OVER by_end,
            'event_id', banking.uuid_v7(),
            'hold_id', hold.hold_id,
            'event_type', 'expired',
            'account_id', hold.account_id,
            'entry_number', v_account.last_entry_number,
            'amount', hold.remaining,
            'currency_code', hold.currency_code,
            'remaining', 0,
            'held_balance', v_account.held_balance - sum(hold.remaining) OVER by_end,
            'occurred_at', v_now
        ))
        FROM banking.holds AS hold
        WHERE hold.account_id = p_account_id
          AND hold.hold_status = 'open'
          AND hold.expires_at <= v_now
        WINDOW by_end AS (ORDER BY hold.expires_at, hold.hold_id ROWS UNBOUNDED PRECEDING)
        ORDER BY hold.expires_at, hold.hold_id
    );
    IF cardinality(v_events) > 0 THEN
        v_done := banking.start_posting();
        v_done := banking.apply_balances_and_holds('{}', v_now, v_events);
        v_done := banking.insert_hold_events(v_events);
        v_done := banking.end_posting();
    END IF;
    RETURN cardinality(v_events);
END
$$;
REVOKE ALL ON FUNCTION banking.expire_due_holds(uuid) FROM PUBLIC;
