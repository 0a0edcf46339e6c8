CREATE TABLE banking.webhooks (
    webhook_id uuid PRIMARY KEY,
    url text NOT NULL
        CONSTRAINT webhooks_url_length CHECK (length(url) BETWEEN 1 AND 2000),
    description text NOT NULL
        CONSTRAINT webhooks_description_length CHECK (length(description) <= 200),
    event_types text NOT NULL
        CONSTRAINT webhooks_event_types_form CHECK (event_types ~ '^([a-z_.]+( [a-z_.]+)*)?$' AND length(event_types) <= 1000),
    is_enabled boolean NOT NULL DEFAULT true,
    disabled_reason text
        CONSTRAINT webhooks_disabled_reason_length CHECK (length(disabled_reason) <= 200),
    dead_after_seconds integer NOT NULL
        CONSTRAINT webhooks_dead_after_seconds_range CHECK (dead_after_seconds BETWEEN 1 AND 2592000),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by banking.actor NOT NULL,
    secret_rotated_at timestamptz,
    replayed_after bigint
        CONSTRAINT webhooks_replayed_after_not_negative CHECK (replayed_after >= 0),
    replayed_at timestamptz,
    CONSTRAINT webhooks_enabled_without_a_reason CHECK (NOT is_enabled OR disabled_reason IS NULL)
);
COMMENT ON TABLE banking.webhooks IS 'The addresses to which the service sends events. Functions write it; the position of each is that of the consumer webhook:ID in banking.event_consumers.';
COMMENT ON COLUMN banking.webhooks.url IS 'The address that gets the events.';
COMMENT ON COLUMN banking.webhooks.event_types IS 'The types of the events that are sent, such as transfer.posted, with a space between them; empty for all.';
COMMENT ON COLUMN banking.webhooks.is_enabled IS 'True if events are sent. Without it the position stays, and later events wait.';
COMMENT ON COLUMN banking.webhooks.disabled_reason IS 'The reason for which the service itself stopped sending; null otherwise.';
COMMENT ON COLUMN banking.webhooks.dead_after_seconds IS 'The time from the first attempt after which an event that is not accepted becomes a dead letter.';
COMMENT ON COLUMN banking.webhooks.created_by IS 'The person or program that created the webhook.';
COMMENT ON COLUMN banking.webhooks.secret_rotated_at IS 'The time of the last rotation of the secret; null before the first.';
COMMENT ON COLUMN banking.webhooks.replayed_after IS 'The position that the last replay set; null before the first.';
COMMENT ON COLUMN banking.webhooks.replayed_at IS 'The time of the last replay; null before the first.';

CREATE TABLE banking.webhook_secrets (
    webhook_id uuid NOT NULL REFERENCES banking.webhooks (webhook_id) ON DELETE CASCADE,
    secret_number integer NOT NULL,
    secret bytea NOT NULL
        CONSTRAINT webhook_secrets_length CHECK (octet_length(secret) BETWEEN 24 AND 64),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    PRIMARY KEY (webhook_id, secret_number)
);
COMMENT ON TABLE banking.webhook_secrets IS 'The keys that sign the messages of webhooks. No role can read it; banking.read_webhook_secrets() returns those in force to the service.';
COMMENT ON COLUMN banking.webhook_secrets.secret_number IS 'The number among the webhook''s secrets, from 1.';
COMMENT ON COLUMN banking.webhook_secrets.secret IS 'The key of HMAC-SHA-256, as it is: a signature needs it.';
COMMENT ON COLUMN banking.webhook_secrets.expires_at IS 'The time from which the secret signs no message; null for the newest.';

CREATE TABLE banking.webhook_failures (
    webhook_id uuid PRIMARY KEY REFERENCES banking.webhooks (webhook_id) ON DELETE CASCADE,
    event_position bigint NOT NULL,
    attempt_count bigint NOT NULL,
    first_attempt_at timestamptz NOT NULL,
    last_attempt_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    last_status integer,
    last_error text NOT NULL
)
WITH (fillfactor = 50);
COMMENT ON TABLE banking.webhook_failures IS 'The event that a webhook has not accepted yet, with its attempts; no row for a webhook whose last attempt was accepted.';
COMMENT ON COLUMN banking.webhook_failures.event_position IS 'The position of the event in the sealed order.';
COMMENT ON COLUMN banking.webhook_failures.attempt_count IS 'The number of failed attempts.';
COMMENT ON COLUMN banking.webhook_failures.next_attempt_at IS 'The time before which no further attempt is made.';
COMMENT ON COLUMN banking.webhook_failures.last_status IS 'The HTTP status of the last answer; null without an answer.';
COMMENT ON COLUMN banking.webhook_failures.last_error IS 'The reason for which the last attempt failed.';

CREATE TABLE banking.webhook_dead_letters (
    webhook_id uuid NOT NULL REFERENCES banking.webhooks (webhook_id) ON DELETE CASCADE,
    event_position bigint NOT NULL,
    attempt_count bigint NOT NULL,
    first_attempt_at timestamptz NOT NULL,
    dead_at timestamptz NOT NULL,
    last_attempt_at timestamptz NOT NULL,
    last_status integer,
    last_error text NOT NULL,
    redelivery_requested_at timestamptz,
    redelivered_at timestamptz,
    PRIMARY KEY (webhook_id, event_position)
);
COMMENT ON TABLE banking.webhook_dead_letters IS 'The events that a webhook has not accepted within its time. Later events were sent without them.';
COMMENT ON COLUMN banking.webhook_dead_letters.event_position IS 'The position of the event in the sealed order.';
COMMENT ON COLUMN banking.webhook_dead_letters.attempt_count IS 'The number of failed attempts.';
COMMENT ON COLUMN banking.webhook_dead_letters.dead_at IS 'The time at which the service gave the event up.';
COMMENT ON COLUMN banking.webhook_dead_letters.last_status IS 'The HTTP status of the last answer; null without an answer.';
COMMENT ON COLUMN banking.webhook_dead_letters.last_error IS 'The reason for which the last attempt failed.';
COMMENT ON COLUMN banking.webhook_dead_letters.redelivery_requested_at IS 'The time of a request for one more attempt that has not been made yet.';
COMMENT ON COLUMN banking.webhook_dead_letters.redelivered_at IS 'The time at which a later attempt was accepted.';

CREATE INDEX webhook_dead_letters_requested_index
    ON banking.webhook_dead_letters (webhook_id, event_position) WHERE redelivery_requested_at IS NOT NULL;
