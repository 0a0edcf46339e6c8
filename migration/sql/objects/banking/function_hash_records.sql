-- Internal: returns the hash of each record of a seal, in the order of the places; NULL for a record
-- that does not exist. p_kinds has a byte for each record, p_ids 16.
-- A record is hashed in the server's binary form of a row: the number of columns, and of each
-- column its type, its length (-1 for NULL) and its value. That form depends on no setting. Texts
-- and JSON are given as bytes of UTF-8, because the form of a text depends on the client's encoding,
-- and columns of a domain as its base type, whose identifier is the same on every server.
-- A transfer is hashed with its two entries, and an event with the columns of its hold that never
-- change. A new column of these tables needs a new format version: keep the form of the earlier ones.
CREATE OR REPLACE FUNCTION banking.hash_records(p_kinds bytea, p_ids bytea)
RETURNS TABLE (place integer, record_kind text, record_id uuid, record_hash bytea, transaction_number bigint)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
-- Records are looked up one by one by their keys, whatever the statistics say.
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_nestloop = on
SET enable_indexscan = on
SET jit = off
AS $$
    WITH record AS MATERIALIZED (
        SELECT place,
               chr(get_byte(p_kinds, place - 1)) AS record_kind,
               encode(substring(p_ids FROM 16 * place - 15 FOR 16), 'hex')::uuid AS record_id
        FROM generate_series(1, octet_length(p_kinds)) AS place
    )
    SELECT record.place, record.record_kind, record.record_id, hashed.record_hash,
           hashed.transaction_number
    FROM record
    LEFT JOIN LATERAL (
        SELECT sha256(record_send(ROW(
                   'transfer'::bytea,
                   transfer.transfer_id,
                   convert_to(transfer.transfer_type::text, 'UTF8'),
                   convert_to(transfer.reference_number, 'UTF8'),
                   transfer.from_account_id,
                   transfer.to_account_id,
                   transfer.from_entry_number,
                   transfer.to_entry_number,
                   transfer.amount::numeric,
                   convert_to(transfer.currency_code, 'UTF8'),
                   convert_to(transfer.description, 'UTF8'),
                   convert_to(transfer.idempotency_key, 'UTF8'),
                   transfer.request_hash,
                   transfer.posted_at,
                   transfer.created_at,
                   transfer.group_id,
                   transfer.reverses_transfer_id,
                   transfer.hold_id,
                   convert_to(transfer.actor::text, 'UTF8'),
                   convert_to(transfer.metadata::jsonb::text, 'UTF8'),
                   transfer.value_date::date,
                   transfer.transaction_number,
                   'debit'::bytea,
                   debit.transaction_id,
                   debit.transfer_id,
                   debit.account_id,
                   debit.entry_number,
                   convert_to(debit.transaction_type::text, 'UTF8'),
                   debit.amount::numeric,
                   convert_to(debit.currency_code, 'UTF8'),
                   debit.running_balance::numeric,
                   convert_to(debit.description::text, 'UTF8'),
                   convert_to(debit.reference_number, 'UTF8'),
                   debit.transaction_date,
                   debit.created_at,
                   'credit'::bytea,
                   credit.transaction_id,
                   credit.transfer_id,
                   credit.account_id,
                   credit.entry_number,
                   convert_to(credit.transaction_type::text, 'UTF8'),
                   credit.amount::numeric,
                   convert_to(credit.currency_code, 'UTF8'),
                   credit.running_balance::numeric,
                   convert_to(credit.description::text, 'UTF8'),
                   convert_to(credit.reference_number, 'UTF8'),
                   credit.transaction_date,
                   credit.created_at
               ))) AS record_hash,
               transfer.transaction_number
        FROM banking.transfers AS transfer
        -- A transfer's entries are found by its accounts, time and entry numbers.
        LEFT JOIN LATERAL (
            SELECT * FROM banking.transactions AS entry
            WHERE entry.account_id = transfer.from_account_id
              AND entry.transaction_date = transfer.posted_at
              AND entry.entry_number = transfer.from_entry_number
        ) AS debit ON true
        LEFT JOIN LATERAL (
            SELECT * FROM banking.transactions AS entry
            WHERE entry.account_id = transfer.to_account_id
              AND entry.transaction_date = transfer.posted_at
              AND entry.entry_number = transfer.to_entry_number
        ) AS credit ON true
        WHERE record.record_kind = 't' AND transfer.transfer_id = record.record_id
        UNION ALL
        SELECT sha256(record_send(ROW(
                   'hold event'::bytea,
                   event.event_id,
                   event.hold_id,
                   event.event_number,
                   convert_to(event.event_type::text, 'UTF8'),
                   event.account_id,
                   event.amount::numeric,
                   convert_to(event.currency_code, 'UTF8'),
                   event.remaining::numeric,
                   event.held_balance::numeric,
                   event.occurred_at,
                   event.transfer_id,
                   convert_to(event.idempotency_key, 'UTF8'),
                   event.request_hash,
                   convert_to(event.actor::text, 'UTF8'),
                   convert_to(event.metadata::jsonb::text, 'UTF8'),
                   event.created_at,
                   event.transaction_number,
                   'hold'::bytea,
                   hold.hold_id,
                   hold.account_id,
                   hold.to_account_id,
                   convert_to(hold.currency_code, 'UTF8'),
                   hold.amount::numeric,
                   hold.expires_at,
                   convert_to(hold.description, 'UTF8'),
                   convert_to(hold.actor::text, 'UTF8'),
                   convert_to(hold.metadata::jsonb::text, 'UTF8'),
                   hold.authorised_at
               ))),
               event.transaction_number
        FROM banking.hold_events AS event
        LEFT JOIN banking.holds AS hold ON hold.hold_id = event.hold_id
        WHERE record.record_kind = 'h' AND event.event_id = record.record_id
    ) AS hashed ON true
    ORDER BY record.place
$$;
REVOKE ALL ON FUNCTION banking.hash_records(bytea, bytea) FROM PUBLIC;
