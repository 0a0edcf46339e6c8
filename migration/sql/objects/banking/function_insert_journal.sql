-- Internal: writes the rows of new transfers, each with its debit and its credit.
-- Both entries come from the transfer's own row, so they match it by construction.
-- The callers, the posting functions, pin the planner's settings for the statements of this one.
CREATE OR REPLACE FUNCTION banking.insert_journal(
    p_transfers banking.new_transfer[]
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO banking.transfers
        (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
         to_entry_number, amount, currency_code, description, idempotency_key, request_hash,
         posted_at)
    SELECT transfer.transfer_id, transfer.transfer_type, transfer.from_account_id, transfer.to_account_id,
           transfer.from_entry_number, transfer.to_entry_number, transfer.amount, transfer.currency_code,
           transfer.description, transfer.idempotency_key, transfer.request_hash, transfer.posted_at
    FROM unnest(p_transfers) AS transfer;

    INSERT INTO banking.transactions
        (account_id, entry_number, transaction_id, transfer_id, transaction_type, amount,
         currency_code, running_balance, description, transaction_date)
    SELECT transfer.from_account_id, transfer.from_entry_number, transfer.debit_id, transfer.transfer_id, 'debit',
           transfer.amount, transfer.currency_code, transfer.from_balance, transfer.debit_description, transfer.posted_at
    FROM unnest(p_transfers) AS transfer
    UNION ALL
    SELECT transfer.to_account_id, transfer.to_entry_number, transfer.credit_id, transfer.transfer_id, 'credit',
           transfer.amount, transfer.currency_code, transfer.to_balance, transfer.credit_description, transfer.posted_at
    FROM unnest(p_transfers) AS transfer
    -- In the order of the statements' index, which many entries then touch page by page.
    ORDER BY 1, 2;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.insert_journal(banking.new_transfer[]) FROM PUBLIC;
