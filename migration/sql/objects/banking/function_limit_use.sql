-- Internal: returns the sum of an account's entries that a limit counts, from a time on and up to an
-- entry number. The callers pin the planner's settings for the statement of this one.
CREATE OR REPLACE FUNCTION banking.limit_use(
    p_account_id uuid,
    p_entry_type text,
    p_limit_type text,
    p_since timestamptz,
    p_last_number bigint
) RETURNS numeric
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT coalesce(sum(entry.amount), 0)
        FROM banking.transactions AS entry
        CROSS JOIN LATERAL (
            SELECT named.transfer_type FROM banking.transfers AS named
            WHERE named.transfer_id = entry.transfer_id
            OFFSET 0
        ) AS transfer
        WHERE entry.account_id = p_account_id
          AND entry.transaction_date >= p_since
          AND entry.entry_number <= p_last_number
          AND entry.transaction_type = p_entry_type
          AND banking.limit_counts(p_limit_type, transfer.transfer_type)
    );
END
$$;
REVOKE ALL ON FUNCTION banking.limit_use(uuid, text, text, timestamptz, bigint) FROM PUBLIC;
