CREATE TABLE concurrency.lock_names (
    lock_key bigint PRIMARY KEY,
    namespace text NOT NULL CONSTRAINT lock_names_namespace_length CHECK (length(namespace) BETWEEN 1 AND 63),
    identifier text NOT NULL CONSTRAINT lock_names_identifier_length CHECK (length(identifier) BETWEEN 1 AND 255),
    fencing_token bigint NOT NULL DEFAULT 0 CONSTRAINT lock_names_fencing_token_range CHECK (fencing_token >= 0),
    first_used_at timestamptz NOT NULL DEFAULT clock_timestamp()
        CONSTRAINT lock_names_first_used_at_range
        CHECK (first_used_at >= '1970-01-01 00:00:00+00' AND first_used_at < '2200-01-01 00:00:00+00')
-- Each acquisition updates its row in place.
) WITH (fillfactor = 80);
COMMENT ON TABLE concurrency.lock_names IS 'Locked names, by the key of their advisory lock. Only concurrency.delete_lock_names() deletes rows.';
COMMENT ON COLUMN concurrency.lock_names.lock_key IS 'The key: concurrency.lock_key(namespace, identifier).';
COMMENT ON COLUMN concurrency.lock_names.namespace IS 'The kind of the locked object, such as customer.';
COMMENT ON COLUMN concurrency.lock_names.identifier IS 'The identifier within the namespace.';
COMMENT ON COLUMN concurrency.lock_names.fencing_token IS 'The newest holder''s number; each holder has a higher one than the previous holder.';

CREATE TABLE concurrency.lock_leases (
    lock_key bigint PRIMARY KEY REFERENCES concurrency.lock_names (lock_key),
    holder uuid NOT NULL,
    fencing_token bigint NOT NULL,
    acquired_at timestamptz NOT NULL DEFAULT clock_timestamp()
        CONSTRAINT lock_leases_acquired_at_range
        CHECK (acquired_at >= '1970-01-01 00:00:00+00' AND acquired_at < '2200-01-01 00:00:00+00'),
    expires_at timestamptz NOT NULL
        CONSTRAINT lock_leases_expires_at_range
        CHECK (expires_at >= '1970-01-01 00:00:00+00' AND expires_at < '2200-01-01 00:00:00+00')
) WITH (fillfactor = 80);
COMMENT ON TABLE concurrency.lock_leases IS 'Leases: locks on names for a limited time, without a connection.';
COMMENT ON COLUMN concurrency.lock_leases.holder IS 'The public name of the holder.';
COMMENT ON COLUMN concurrency.lock_leases.fencing_token IS 'The holder''s number, which every write of the holder must check.';
COMMENT ON COLUMN concurrency.lock_leases.expires_at IS 'The end of the lease, by the database''s clock.';

-- A recreated name must not get a token that an earlier holder had.
CREATE SEQUENCE concurrency.fencing_token_floor MINVALUE 0 START 0;
COMMENT ON SEQUENCE concurrency.fencing_token_floor IS 'The highest fencing token of all deleted names; new names begin above it.';
