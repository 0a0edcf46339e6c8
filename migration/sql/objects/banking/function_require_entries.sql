-- Requires at commit that a transfer of another writer has its debit and its credit.
-- apply_entries() has compared each entry with the transfer, so two entries of one transfer are
-- these two.
CREATE OR REPLACE FUNCTION banking.require_entries() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    v_found bigint;
BEGIN
    SELECT count(*) INTO v_found
    FROM banking.transfers AS transfer
    JOIN banking.transactions AS entry
        ON entry.transfer_id = transfer.transfer_id AND entry.transaction_date = transfer.posted_at
    WHERE transfer.transfer_id = NEW.transfer_id
      AND ((entry.account_id = transfer.from_account_id AND entry.entry_number = transfer.from_entry_number)
           OR (entry.account_id = transfer.to_account_id AND entry.entry_number = transfer.to_entry_number));
    IF v_found <> 2 THEN
        RAISE EXCEPTION 'transfer % has % of its two entries', NEW.transfer_id, v_found
            USING ERRCODE = 'NB001', HINT = 'Insert its debit and its credit in the same transaction.';
    END IF;
    DELETE FROM banking.unfinished_transfers WHERE transfer_id = NEW.transfer_id;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION banking.require_entries() FROM PUBLIC;
