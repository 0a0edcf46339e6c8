-- Each of these keys looks its row up, and locks it, once for every row of the journal. What they promise is kept for
-- each statement instead: by apply_entries() for the entries and by check_transfers() for the transfers, since
-- neither accounts nor transfers can ever be deleted or get another identifier.
ALTER TABLE banking.transactions
    DROP CONSTRAINT transactions_transfer_id_fkey,
    DROP CONSTRAINT transactions_account_id_fkey;
ALTER TABLE banking.transfers
    DROP CONSTRAINT transfers_from_account_id_fkey,
    DROP CONSTRAINT transfers_to_account_id_fkey;
