-- Internal: writes the rows of new transfers, each with its debit and its credit.
-- Both entries come from the transfer's own row, so they match it by construction. The attributes
-- are null, or have one element for each transfer. A transfer without an actor has the actor of the
-- session, which SQL users set: SET LOCAL neobank.actor = 'teller:42'.
-- The callers, the posting functions, pin the planner's settings for the statements of this one.
CREATE OR REPLACE FUNCTION banking.insert_journal(
    p_transfers banking.new_transfer[],
    p_attributes banking.transfer_attributes[] DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_actor text := nullif(current_setting('neobank.actor', true), '');
BEGIN
    IF p_attributes IS NULL THEN
        INSERT INTO banking.transfers
            (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
             to_entry_number, amount, currency_code, description, idempotency_key, request_hash,
             posted_at, actor)
        SELECT transfer.transfer_id, transfer.transfer_type, transfer.from_account_id,
               transfer.to_account_id, transfer.from_entry_number, transfer.to_entry_number,
               transfer.amount, transfer.currency_code, transfer.description,
               transfer.idempotency_key, transfer.request_hash, transfer.posted_at, v_actor
        FROM unnest(p_transfers) AS transfer;
    ELSE
        INSERT INTO banking.transfers
            (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
             to_entry_number, amount, currency_code, description, idempotency_key, request_hash,
             posted_at, group_id, reverses_transfer_id, hold_id, actor, metadata, value_date)
        SELECT transfer.transfer_id, transfer.transfer_type, transfer.from_account_id,
               transfer.to_account_id, transfer.from_entry_number, transfer.to_entry_number,
               transfer.amount, transfer.currency_code, transfer.description,
               transfer.idempotency_key, transfer.request_hash, transfer.posted_at,
               transfer.group_id, transfer.reverses_transfer_id, transfer.hold_id,
               coalesce(transfer.actor, v_actor), transfer.metadata, transfer.value_date
        FROM unnest(p_transfers, p_attributes) AS transfer;
    END IF;

    INSERT INTO banking.transactions
        (account_id, entry_number, transaction_id, transfer_id, transaction_type, amount,
         currency_code, running_balance, description, transaction_date)
    SELECT transfer.from_account_id, transfer.from_entry_number, transfer.debit_id,
           transfer.transfer_id, 'debit', transfer.amount, transfer.currency_code,
           transfer.from_balance, transfer.debit_description, transfer.posted_at
    FROM unnest(p_transfers) AS transfer
    UNION ALL
    SELECT transfer.to_account_id, transfer.to_entry_number, transfer.credit_id,
           transfer.transfer_id, 'credit', transfer.amount, transfer.currency_code,
           transfer.to_balance, transfer.credit_description, transfer.posted_at
    FROM unnest(p_transfers) AS transfer
    -- In the order of the statements' index, which many entries then touch page by page.
    ORDER BY 1, 2;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.insert_journal(
    banking.new_transfer[], banking.transfer_attributes[]
) FROM PUBLIC;
