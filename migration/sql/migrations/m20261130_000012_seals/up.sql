-- The column is added without a default, and gets it afterwards: the server changes no row, and the
-- rows of before have NULL.
ALTER TABLE banking.transfers ADD COLUMN transaction_number bigint;
ALTER TABLE banking.transfers
    ALTER COLUMN transaction_number SET DEFAULT pg_catalog.pg_current_xact_id()::text::bigint,
    ALTER COLUMN transaction_number SET STATISTICS 10;
COMMENT ON COLUMN banking.transfers.transaction_number IS 'The number of the database transaction that posted the transfer; null for one that was posted before the column existed.';

ALTER TABLE banking.hold_events ADD COLUMN transaction_number bigint;
ALTER TABLE banking.hold_events
    ALTER COLUMN transaction_number SET DEFAULT pg_catalog.pg_current_xact_id()::text::bigint,
    ALTER COLUMN transaction_number SET STATISTICS 10;
COMMENT ON COLUMN banking.hold_events.transaction_number IS 'The number of the database transaction that wrote the event; null for one that was written before the column existed.';

CREATE TABLE banking.seals (
    seal_number bigint PRIMARY KEY CONSTRAINT seals_number_positive CHECK (seal_number > 0),
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    record_count bigint NOT NULL,
    format_version integer NOT NULL,
    record_kinds bytea NOT NULL,
    record_ids bytea NOT NULL,
    record_hashes bytea NOT NULL,
    first_transaction_number bigint,
    last_transaction_number bigint,
    transactions_before bigint NOT NULL,
    transactions_running text NOT NULL,
    is_complete boolean NOT NULL,
    sealed_until timestamptz,
    epoch bigint NOT NULL,
    server_identifier bigint NOT NULL,
    sealed_at timestamptz NOT NULL,
    previous_head bytea NOT NULL,
    head bytea NOT NULL,
    CONSTRAINT seals_positions_are_counted CHECK (
        first_position > 0 AND record_count >= 0
        AND last_position = first_position + record_count - 1
    ),
    CONSTRAINT seals_records_are_counted CHECK (
        octet_length(record_kinds) = record_count
        AND octet_length(record_ids) = 16 * record_count
        AND octet_length(record_hashes) = 32 * record_count
    ),
    CONSTRAINT seals_heads_length CHECK (octet_length(previous_head) = 32 AND octet_length(head) = 32)
);
-- Identifiers and hashes cannot be compressed, and a part of an uncompressed value is read alone.
ALTER TABLE banking.seals
    ALTER COLUMN record_ids SET STORAGE EXTERNAL,
    ALTER COLUMN record_hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE banking.seals IS 'The sealed order of transfers and hold events: a hash chain with a row for each batch. Append-only.';
COMMENT ON COLUMN banking.seals.seal_number IS 'The number of the seal: 1, 2, 3 without a gap.';
COMMENT ON COLUMN banking.seals.first_position IS 'The position of the first record; positions are numbered from 1 without a gap.';
COMMENT ON COLUMN banking.seals.last_position IS 'The position of the last record.';
COMMENT ON COLUMN banking.seals.format_version IS 'The version of the form that the hashes are made of.';
COMMENT ON COLUMN banking.seals.record_kinds IS 'The kind of each record in the order of their positions, one byte each: t for a transfer, h for a hold event.';
COMMENT ON COLUMN banking.seals.record_ids IS 'The identifier of each record in the order of their positions, 16 bytes each.';
COMMENT ON COLUMN banking.seals.record_hashes IS 'The SHA-256 of each record in the order of their positions, 32 bytes each.';
COMMENT ON COLUMN banking.seals.first_transaction_number IS 'The lowest transaction number of the records; null if they have none.';
COMMENT ON COLUMN banking.seals.last_transaction_number IS 'The highest transaction number of the records; null if they have none.';
COMMENT ON COLUMN banking.seals.transactions_before IS 'The end of the snapshot that is sealed: no transaction from this number on belongs to it. 0 for records without a number.';
COMMENT ON COLUMN banking.seals.transactions_running IS 'The transactions below the end that were running at the snapshot, separated by commas; they do not belong to it.';
COMMENT ON COLUMN banking.seals.is_complete IS 'True for the last seal of its snapshot.';
COMMENT ON COLUMN banking.seals.sealed_until IS 'Of a seal that is not the last of its snapshot and ends a call of banking.seal(): the time up to which the snapshot is sealed.';
COMMENT ON COLUMN banking.seals.epoch IS 'The numbering of transactions: 1, and one more after each banking.resume_sealing().';
COMMENT ON COLUMN banking.seals.server_identifier IS 'The identifier of the server, which gives the transactions their numbers.';
COMMENT ON COLUMN banking.seals.previous_head IS 'The head of the previous seal; zeros in the first.';
COMMENT ON COLUMN banking.seals.head IS 'The SHA-256 of every other column.';

CREATE INDEX seals_first_position_index ON banking.seals (first_position);

CREATE TABLE banking.event_consumers (
    consumer_name text PRIMARY KEY
        CONSTRAINT event_consumers_name_length CHECK (length(consumer_name) BETWEEN 1 AND 100),
    last_position bigint NOT NULL
        CONSTRAINT event_consumers_position_not_negative CHECK (last_position >= 0),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
WITH (fillfactor = 50);
COMMENT ON TABLE banking.event_consumers IS 'The place of each named consumer in the sealed order.';
COMMENT ON COLUMN banking.event_consumers.last_position IS 'The position of the last event that the consumer has processed.';
