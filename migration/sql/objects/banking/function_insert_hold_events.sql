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
-- * A capture names a transfer of this transaction, which pays its amount from the hold's account,
--   to the hold's destination if there is one. Every transfer of the call that names a hold has
--   such an event.
-- * The key of a hold or a release is that of no earlier transfer, and the key of a capture is that
--   of no earlier hold or release. The call raises the violation of the earlier key.
-- The events of one hold are steps in the order of the call, of which the first continues the hold
-- as it is. The callers, the posting functions, pin the planner's settings for these statements.
CREATE OR REPLACE FUNCTION banking.insert_hold_events(p_hold_events banking.new_hold_event[])
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_actor text := nullif(current_setting('neobank.actor', true), '');
    v_transaction bigint := pg_current_xact_id()::text::bigint;
    v_hold_id uuid;
    v_event_type text;
    v_transfer_id uuid;
    v_continues boolean;
    v_written bigint;
    v_expected bigint;
BEGIN
    IF EXISTS (
        SELECT FROM unnest(p_hold_events) AS event
        CROSS JOIN LATERAL (
            SELECT FROM banking.transfers AS transfer
            WHERE transfer.idempotency_key = event.idempotency_key
            OFFSET 0
        ) AS used
        WHERE event.idempotency_key IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'a transfer has the idempotency key of a hold'
            USING ERRCODE = 'unique_violation', SCHEMA = 'banking', TABLE = 'transfers',
                  CONSTRAINT = 'transfers_idempotency_key_key';
    END IF;
    IF EXISTS (
        SELECT FROM unnest(p_hold_events) AS event
        CROSS JOIN LATERAL (
            SELECT posted.idempotency_key FROM banking.transfers AS posted
            WHERE posted.transfer_id = event.transfer_id
            OFFSET 0
        ) AS capture
        CROSS JOIN LATERAL (
            SELECT FROM banking.hold_events AS earlier
            WHERE earlier.idempotency_key = capture.idempotency_key
            OFFSET 0
        ) AS used
        WHERE event.event_type = 'captured'
    ) THEN
        RAISE EXCEPTION 'a hold has the idempotency key of a capture'
            USING ERRCODE = 'unique_violation', SCHEMA = 'banking', TABLE = 'hold_events',
                  CONSTRAINT = 'hold_events_idempotency_key_key';
    END IF;

    WITH steps AS (
        SELECT event.*,
               row_number() OVER by_hold AS step,
               lead(event.place) OVER by_hold IS NULL AS is_last,
               last_value(event.event_type) OVER whole_hold AS last_event_type,
               last_value(event.remaining) OVER whole_hold AS last_remaining,
               last_value(event.transfer_id) OVER whole_hold AS last_transfer_id,
               last_value(event.occurred_at) OVER whole_hold AS last_occurred_at,
               lag(event.remaining) OVER by_hold AS remaining_before,
               first_value(event.event_type) OVER by_hold = 'authorised' AS is_new,
               first_value(event.account_id) OVER by_hold AS first_account_id,
               first_value(event.currency_code) OVER by_hold AS first_currency_code,
               first_value(event.to_account_id) OVER by_hold AS first_to_account_id,
               first_value(event.expires_at) OVER by_hold AS first_expires_at
        FROM unnest(p_hold_events) AS event
        WINDOW by_hold AS (PARTITION BY event.hold_id ORDER BY event.place),
               whole_hold AS (
                   PARTITION BY event.hold_id ORDER BY event.place
                   ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
               )
    ),
    -- Each step beside its hold as it is before the call.
    known AS (
        SELECT steps.*,
               hold.last_number,
               hold.amount AS whole_amount,
               hold.authorised_at AS was_authorised_at,
               CASE WHEN steps.step > 1 THEN steps.remaining_before ELSE hold.remaining END
                   AS was_remaining,
               CASE WHEN steps.is_new THEN steps.first_account_id ELSE hold.account_id END
                   AS of_account_id,
               CASE WHEN steps.is_new THEN steps.first_currency_code ELSE hold.currency_code END
                   AS of_currency_code,
               CASE WHEN steps.is_new THEN steps.first_to_account_id ELSE hold.to_account_id END
                   AS only_account_id,
               CASE WHEN steps.is_new THEN steps.first_expires_at ELSE hold.expires_at END
                   AS ends_at
        FROM steps
        LEFT JOIN LATERAL (
            SELECT named.account_id, named.currency_code, named.to_account_id, named.expires_at,
                   named.remaining::numeric AS remaining, named.hold_status,
                   named.amount, named.authorised_at,
                   (SELECT max(event.event_number) FROM banking.hold_events AS event
                    WHERE event.hold_id = named.hold_id) AS last_number
            FROM banking.holds AS named
            WHERE named.hold_id = steps.hold_id
            -- Each look-up is by the key alone: on an empty table, another index seems as good.
            OFFSET 0
        ) AS hold ON hold.hold_status = 'open' AND NOT steps.is_new
    ),
    checked AS (
        SELECT known.*,
               CASE
                   WHEN known.event_type = 'authorised' THEN
                       known.step = 1
                       AND known.remaining = known.amount
                       AND (known.expires_at IS NULL OR known.occurred_at < known.expires_at)
                       AND (known.to_account_id IS NULL OR EXISTS (
                           SELECT FROM banking.accounts AS account
                           WHERE account.account_id = known.to_account_id
                             AND account.currency_code = known.currency_code
                             AND account.account_type <> 'system'
                       ))
                   ELSE
                       known.was_remaining - known.amount = known.remaining
                       AND known.account_id = known.of_account_id
                       AND known.currency_code = known.of_currency_code
                       AND (known.remaining = 0 OR known.event_type = 'captured')
                       AND CASE known.event_type
                               WHEN 'expired' THEN known.ends_at <= known.occurred_at
                               ELSE known.ends_at IS NULL OR known.occurred_at < known.ends_at
                           END
               END IS TRUE AS continues,
               -- What a release says of its capture, and a capture of its transfer.
               known.transfer_id IS NULL OR EXISTS (
                   SELECT FROM (
                       SELECT * FROM banking.transfers AS posted
                       WHERE posted.transfer_id = known.transfer_id
                       OFFSET 0
                   ) AS transfer
                   WHERE transfer.transaction_number = v_transaction
                     AND transfer.hold_id = known.hold_id
                     AND transfer.from_account_id = known.account_id
                     AND transfer.currency_code = known.currency_code
                     AND (transfer.amount = known.amount OR known.event_type = 'released')
                     AND transfer.to_account_id
                         = coalesce(known.only_account_id, transfer.to_account_id)
               ) AS has_its_transfer
        FROM known
    ),
    -- No row is written for a call that is rejected.
    misfit AS (
        SELECT checked.place, checked.hold_id, checked.event_type, checked.transfer_id,
               checked.continues
        FROM checked
        WHERE NOT checked.continues OR NOT checked.has_its_transfer
        ORDER BY checked.place
        LIMIT 1
    ),
    accepted AS (
        SELECT checked.*,
               CASE
                   WHEN checked.last_remaining > 0 THEN 'open'
                   WHEN checked.last_transfer_id IS NOT NULL THEN 'captured'
                   ELSE checked.last_event_type
               END AS last_status,
               CASE WHEN checked.last_remaining = 0 THEN checked.last_occurred_at END
                   AS last_ended_at
        FROM checked
        WHERE NOT EXISTS (SELECT FROM misfit)
    ),
    created AS (
        INSERT INTO banking.holds
            (hold_id, account_id, to_account_id, currency_code, amount, remaining, hold_status,
             expires_at, description, actor, metadata, authorised_at, ended_at)
        SELECT event.hold_id, event.account_id, event.to_account_id, event.currency_code,
               event.amount, event.last_remaining,
               event.last_status,
               event.expires_at, coalesce(event.description, ''), coalesce(event.actor, v_actor),
               event.metadata, event.occurred_at,
               event.last_ended_at
        FROM accepted AS event
        WHERE event.event_type = 'authorised'
        RETURNING 1
    ),
    -- As an insertion that finds every hold by its key: an UPDATE could read all holds for each of
    -- these, if its plan was made on an empty table.
    changed AS (
        INSERT INTO banking.holds AS hold
            (hold_id, account_id, currency_code, amount, remaining, hold_status, authorised_at,
             ended_at)
        SELECT event.hold_id, event.account_id, event.currency_code, event.whole_amount,
               event.last_remaining,
               event.last_status,
               event.was_authorised_at,
               event.last_ended_at
        FROM accepted AS event
        WHERE event.is_last
          AND NOT event.is_new
        ON CONFLICT (hold_id) DO UPDATE
        SET remaining = excluded.remaining,
            hold_status = excluded.hold_status,
            ended_at = excluded.ended_at
        RETURNING 1
    ),
    recorded AS (
        INSERT INTO banking.hold_events
            (event_id, hold_id, event_number, event_type, account_id, amount, currency_code,
             remaining, held_balance, occurred_at, transfer_id, idempotency_key, request_hash,
             actor, metadata)
        SELECT event.event_id, event.hold_id, coalesce(event.last_number, 0) + event.step,
               event.event_type, event.account_id, event.amount, event.currency_code,
               event.remaining, event.held_balance, event.occurred_at, event.transfer_id,
               event.idempotency_key, decode(event.request_hash, 'hex'),
               CASE WHEN event.event_type <> 'expired' THEN coalesce(event.actor, v_actor) END,
               event.metadata
        FROM accepted AS event
        ORDER BY event.place
        RETURNING 1
    )
    SELECT misfit.hold_id, misfit.event_type, misfit.transfer_id, misfit.continues,
           (SELECT count(*) FROM created) + (SELECT count(*) FROM changed),
           (SELECT count(*) FROM accepted WHERE accepted.is_last)
    INTO v_hold_id, v_event_type, v_transfer_id, v_continues, v_written, v_expected
    FROM (SELECT) AS always
    LEFT JOIN misfit ON true;

    IF v_hold_id IS NOT NULL AND v_continues THEN
        RAISE EXCEPTION 'transfer % does not capture hold %', v_transfer_id, v_hold_id
            USING ERRCODE = 'NB002';
    ELSIF v_hold_id IS NOT NULL AND v_event_type = 'authorised' THEN
        RAISE EXCEPTION 'hold % cannot begin so', v_hold_id USING ERRCODE = 'NB002';
    ELSIF v_hold_id IS NOT NULL OR v_written <> v_expected THEN
        RAISE EXCEPTION 'hold % cannot be % so', v_hold_id, v_event_type
            USING ERRCODE = 'NB002',
                  HINT = 'Lock the account of the hold first, and read the hold then.';
    END IF;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.insert_hold_events(banking.new_hold_event[]) FROM PUBLIC;
