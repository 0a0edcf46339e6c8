-- Internal: writes hold events and the holds that they change, and rejects the call unless the
-- events continue their holds. The caller has written the transfers and updated the accounts, whose
-- locks put all events of their holds in one order. An event without an actor has the actor of the
-- session, except the end of a hold's time, which needs none.
--
-- * An authorised hold begins with its whole amount, before the time of its end. Its destination,
--   if there is one, is a customer's account in the same currency.
-- * Every other event changes an open hold, and leaves what the hold had before less its amount:
--   a capture and a release before the time of its end, an expiry not before that time.
-- * A release and an expiry leave nothing. A release that names a transfer is what its last capture
--   has left over.
-- * A capture names a transfer of this call, which pays its amount from the hold's account, to the
--   hold's destination if there is one. Every transfer of the call that names a hold has such an
--   event.
-- The callers, the posting functions, pin the planner's settings for the statements of this one.
CREATE OR REPLACE FUNCTION banking.insert_hold_events(
    p_transfer_id uuid[],
    p_hold_events banking.new_hold_event[]
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_actor text := nullif(current_setting('neobank.actor', true), '');
    v_event banking.new_hold_event;
    v_hold banking.holds;
    v_number bigint;
    v_matching bigint;
BEGIN
    FOREACH v_event IN ARRAY p_hold_events LOOP
        IF v_event.event_type = 'authorised' THEN
            IF (v_event.remaining = v_event.amount
                AND (v_event.expires_at IS NULL OR v_event.occurred_at < v_event.expires_at)
                AND (v_event.to_account_id IS NULL OR EXISTS (
                    SELECT FROM banking.accounts AS account
                    WHERE account.account_id = v_event.to_account_id
                      AND account.currency_code = v_event.currency_code
                      AND account.account_type <> 'system'
                ))) IS NOT TRUE
            THEN
                RAISE EXCEPTION 'hold % cannot begin so', v_event.hold_id USING ERRCODE = 'NB002';
            END IF;
            INSERT INTO banking.holds
                (hold_id, account_id, to_account_id, currency_code, amount, remaining, expires_at,
                 description, actor, metadata, authorised_at)
            VALUES
                (v_event.hold_id, v_event.account_id, v_event.to_account_id, v_event.currency_code,
                 v_event.amount, v_event.remaining, v_event.expires_at,
                 coalesce(v_event.description, ''), coalesce(v_event.actor, v_actor),
                 v_event.metadata, v_event.occurred_at);
            v_number := 1;
        ELSE
            UPDATE banking.holds AS hold
            SET remaining = v_event.remaining,
                hold_status = CASE
                    WHEN v_event.remaining > 0 THEN 'open'
                    WHEN v_event.transfer_id IS NOT NULL THEN 'captured'
                    ELSE v_event.event_type
                END,
                ended_at = CASE WHEN v_event.remaining > 0 THEN NULL ELSE v_event.occurred_at END
            WHERE hold.hold_id = v_event.hold_id
              AND hold.hold_status = 'open'
              AND hold.account_id = v_event.account_id
              AND hold.currency_code = v_event.currency_code
              AND hold.remaining - v_event.amount = v_event.remaining
              AND (v_event.remaining = 0 OR v_event.event_type = 'captured')
              AND CASE v_event.event_type
                      WHEN 'expired' THEN hold.expires_at <= v_event.occurred_at
                      ELSE hold.expires_at IS NULL OR v_event.occurred_at < hold.expires_at
                  END
            RETURNING * INTO v_hold;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'hold % cannot be % so', v_event.hold_id, v_event.event_type
                    USING ERRCODE = 'NB002',
                          HINT = 'Lock the account of the hold first, and read the hold then.';
            END IF;
            SELECT max(event.event_number) + 1 INTO v_number
            FROM banking.hold_events AS event WHERE event.hold_id = v_event.hold_id;
            -- What a release says of its capture, and a capture of its transfer.
            IF v_event.transfer_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM banking.transfers AS transfer
                WHERE transfer.transfer_id = v_event.transfer_id
                  AND transfer.transfer_id = ANY (p_transfer_id)
                  AND transfer.hold_id = v_event.hold_id
                  AND transfer.from_account_id = v_event.account_id
                  AND transfer.currency_code = v_event.currency_code
                  AND (transfer.amount = v_event.amount OR v_event.event_type = 'released')
                  AND transfer.to_account_id = coalesce(v_hold.to_account_id, transfer.to_account_id)
            ) THEN
                RAISE EXCEPTION 'transfer % does not capture hold %', v_event.transfer_id,
                        v_event.hold_id
                    USING ERRCODE = 'NB002';
            END IF;
        END IF;
        INSERT INTO banking.hold_events
            (event_id, hold_id, event_number, event_type, account_id, amount, currency_code,
             remaining, held_balance, occurred_at, transfer_id, idempotency_key, request_hash,
             actor, metadata)
        VALUES
            (v_event.event_id, v_event.hold_id, v_number, v_event.event_type, v_event.account_id,
             v_event.amount, v_event.currency_code, v_event.remaining, v_event.held_balance,
             v_event.occurred_at, v_event.transfer_id, v_event.idempotency_key,
             decode(v_event.request_hash, 'hex'),
             CASE WHEN v_event.event_type <> 'expired' THEN coalesce(v_event.actor, v_actor) END,
             v_event.metadata);
    END LOOP;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.insert_hold_events(uuid[], banking.new_hold_event[]) FROM PUBLIC;
