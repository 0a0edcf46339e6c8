-- Internal: returns the head of a seal: the hash of its format version and of every column but the
-- head itself, in the form that hash_records() describes.
CREATE OR REPLACE FUNCTION banking.seal_head(p_seal banking.seals) RETURNS bytea
LANGUAGE sql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT sha256(record_send(ROW(
        'seal'::bytea,
        p_seal.format_version,
        p_seal.previous_head,
        p_seal.seal_number,
        p_seal.first_position,
        p_seal.last_position,
        p_seal.record_count,
        p_seal.record_kinds,
        p_seal.record_ids,
        p_seal.record_hashes,
        p_seal.first_transaction_number,
        p_seal.last_transaction_number,
        p_seal.transactions_before,
        convert_to(p_seal.transactions_running, 'UTF8'),
        p_seal.is_complete,
        p_seal.sealed_until,
        p_seal.epoch,
        p_seal.server_identifier,
        p_seal.sealed_at
    )))
$$;
REVOKE ALL ON FUNCTION banking.seal_head(banking.seals) FROM PUBLIC;
