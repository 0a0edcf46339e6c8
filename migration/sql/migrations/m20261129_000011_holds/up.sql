CREATE DOMAIN banking.hold_status AS text
    CONSTRAINT hold_status_is_known CHECK (VALUE IN ('open', 'captured', 'released', 'expired'));
COMMENT ON DOMAIN banking.hold_status IS 'The state of a hold.
open: The hold reserves what remains of its amount.
captured: The last capture has ended the hold.
released: The caller has released what remained.
expired: The time of the hold has run out.';

CREATE DOMAIN banking.hold_event_type AS text
    CONSTRAINT hold_event_type_is_known
    CHECK (VALUE IN ('authorised', 'captured', 'released', 'expired'));
COMMENT ON DOMAIN banking.hold_event_type IS 'The kind of a change of a hold.
authorised: The hold begins to reserve its amount.
captured: A transfer takes an amount of the hold.
released: The rest of the hold is available again.
expired: The rest of the hold is available again, because its time has run out.';

-- The functions that write the journal pass this type to each other; a client sends JSON.
CREATE TYPE banking.new_hold_event AS (
    place bigint,
    event_id uuid,
    hold_id uuid,
    event_type text,
    account_id uuid,
    entry_number bigint,
    amount numeric,
    currency_code text,
    remaining numeric,
    held_balance numeric,
    occurred_at timestamptz,
    transfer_id uuid,
    to_account_id uuid,
    expires_at timestamptz,
    description text,
    idempotency_key text,
    request_hash text,
    actor text,
    metadata jsonb
);
COMMENT ON TYPE banking.new_hold_event IS 'A change of a hold that is being posted.';
REVOKE ALL ON TYPE banking.new_hold_event FROM PUBLIC;

-- As in the journal, there are no foreign keys: the posting functions validate the same rules.
CREATE TABLE banking.holds (
    hold_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    to_account_id uuid,
    currency_code text NOT NULL,
    amount banking.amount NOT NULL,
    remaining banking.balance NOT NULL,
    hold_status banking.hold_status NOT NULL DEFAULT 'open',
    expires_at timestamptz
        CONSTRAINT holds_expires_at_range CHECK (
            expires_at >= '0001-01-01 00:00:00+00' AND expires_at < '10000-01-01 00:00:00+00'
        ),
    description text NOT NULL DEFAULT ''
        CONSTRAINT holds_description_length CHECK (length(description) <= 500),
    actor banking.actor,
    metadata banking.metadata,
    authorised_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT holds_accounts_differ CHECK (account_id <> to_account_id),
    CONSTRAINT holds_remaining_range CHECK (remaining >= 0 AND remaining <= amount),
    CONSTRAINT holds_open_has_a_rest CHECK ((hold_status = 'open') = (remaining > 0)),
    CONSTRAINT holds_open_has_no_end CHECK ((hold_status = 'open') = (ended_at IS NULL))
);
COMMENT ON TABLE banking.holds IS 'The holds: amounts that are reserved on accounts. Each row is the state after the hold''s last event.';
COMMENT ON COLUMN banking.holds.account_id IS 'The account that has the amount.';
COMMENT ON COLUMN banking.holds.to_account_id IS 'The only account that captures may pay; null where each capture names one.';
COMMENT ON COLUMN banking.holds.remaining IS 'The part of the amount that the hold still reserves.';
COMMENT ON COLUMN banking.holds.expires_at IS 'The time at which the hold is over, whether or not an event records it; null for a hold without an end.';
COMMENT ON COLUMN banking.holds.ended_at IS 'The time of the last event of a hold that is not open.';

CREATE INDEX holds_due_index ON banking.holds (account_id, expires_at) WHERE hold_status = 'open';
-- The order in which expired holds are ended.
CREATE INDEX holds_expires_at_index ON banking.holds (expires_at)
    WHERE hold_status = 'open' AND expires_at IS NOT NULL;

CREATE TABLE banking.hold_events (
    event_id uuid PRIMARY KEY,
    hold_id uuid NOT NULL,
    event_number bigint NOT NULL CONSTRAINT hold_events_number_positive CHECK (event_number > 0),
    event_type banking.hold_event_type NOT NULL,
    account_id uuid NOT NULL,
    amount banking.amount NOT NULL,
    currency_code text NOT NULL,
    remaining banking.balance NOT NULL,
    held_balance banking.balance NOT NULL,
    occurred_at timestamptz NOT NULL,
    transfer_id uuid,
    idempotency_key text
        CONSTRAINT hold_events_idempotency_key_length CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    request_hash bytea CONSTRAINT hold_events_request_hash_length CHECK (octet_length(request_hash) = 32),
    actor banking.actor,
    metadata banking.metadata,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT hold_events_remaining_range CHECK (remaining >= 0),
    CONSTRAINT hold_events_held_not_negative CHECK (held_balance >= 0),
    CONSTRAINT hold_events_capture_has_a_transfer CHECK (
        CASE event_type
            WHEN 'captured' THEN transfer_id IS NOT NULL
            WHEN 'released' THEN true
            ELSE transfer_id IS NULL
        END
    ),
    CONSTRAINT hold_events_key_has_a_hash CHECK ((idempotency_key IS NULL) = (request_hash IS NULL))
);
COMMENT ON TABLE banking.hold_events IS 'The journal of holds: every change of every hold. Append-only.';
COMMENT ON COLUMN banking.hold_events.event_number IS 'The number among the hold''s events: 1, 2, 3 without a gap.';
COMMENT ON COLUMN banking.hold_events.amount IS 'The amount by which the event raises (authorised) or lowers what the hold reserves.';
COMMENT ON COLUMN banking.hold_events.remaining IS 'The part of the hold''s amount that it reserves after the event.';
COMMENT ON COLUMN banking.hold_events.held_balance IS 'The sum of all holds of the account after the event.';
COMMENT ON COLUMN banking.hold_events.transfer_id IS 'The transfer of a capture; of a release, the last capture that released the rest.';
COMMENT ON COLUMN banking.hold_events.idempotency_key IS 'The caller''s idempotency key of a hold or a release; the key of a capture is that of its transfer.';
COMMENT ON COLUMN banking.hold_events.request_hash IS 'The SHA-256 of the request, so that a key used for another request is rejected.';

CREATE UNIQUE INDEX hold_events_hold_id_key ON banking.hold_events (hold_id, event_number);
CREATE UNIQUE INDEX hold_events_idempotency_key_key ON banking.hold_events (idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX hold_events_transfer_id_key ON banking.hold_events (transfer_id)
    WHERE event_type = 'captured';
