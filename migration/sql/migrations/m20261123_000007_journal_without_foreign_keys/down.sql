ALTER TABLE banking.transfers
    ADD CONSTRAINT transfers_from_account_id_fkey FOREIGN KEY (from_account_id) REFERENCES banking.accounts (account_id),
    ADD CONSTRAINT transfers_to_account_id_fkey FOREIGN KEY (to_account_id) REFERENCES banking.accounts (account_id);
ALTER TABLE banking.transactions
    ADD CONSTRAINT transactions_transfer_id_fkey FOREIGN KEY (transfer_id) REFERENCES banking.transfers (transfer_id),
    ADD CONSTRAINT transactions_account_id_fkey FOREIGN KEY (account_id) REFERENCES banking.accounts (account_id);
