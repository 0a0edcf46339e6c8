-- Each of these keys looks up and locks a row for every row of the journal. Triggers enforce the
-- same rules once for each statement: apply_entries() for the entries and check_transfers() for the
-- transfers, since neither accounts nor transfers can ever be deleted or get another identifier.
ALTER TABLE banking.transactions
    DROP CONSTRAINT transactions_transfer_id_fkey,
    DROP CONSTRAINT transactions_account_id_fkey;
ALTER TABLE banking.transfers
    DROP CONSTRAINT transfers_from_account_id_fkey,
    DROP CONSTRAINT transfers_to_account_id_fkey;
