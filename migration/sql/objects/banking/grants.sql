-- What the application and the readers may do. The journal: insert and read. Balances: read. Nothing: delete.
GRANT SELECT ON ALL TABLES IN SCHEMA banking TO neobank_app, neobank_read;
GRANT USAGE ON SEQUENCE banking.customer_number_sequence, banking.account_number_sequence TO neobank_app;

GRANT INSERT (customer_id, first_name, last_name, email, phone_primary, phone_secondary, date_of_birth,
              customer_type, customer_status, kyc_status) ON banking.customers TO neobank_app;
GRANT UPDATE (first_name, last_name, email, phone_primary, phone_secondary, customer_status, kyc_status)
    ON banking.customers TO neobank_app;

GRANT INSERT (account_id, customer_id, account_type, currency_code, minor_units, overdraft_limit, time_zone, opened_at)
    ON banking.accounts TO neobank_app;
GRANT UPDATE (account_status, overdraft_limit, time_zone, closed_at) ON banking.accounts TO neobank_app;

GRANT INSERT (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number, to_entry_number,
              amount, currency_code, description, idempotency_key, request_hash, posted_at)
    ON banking.transfers TO neobank_app;
GRANT INSERT (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount, currency_code,
              running_balance, description, transaction_date)
    ON banking.transactions TO neobank_app;

GRANT INSERT (customer_id, preferences), UPDATE (preferences, updated_at)
    ON banking.customer_preferences TO neobank_app;

GRANT EXECUTE ON FUNCTION
    banking.post_transfers(
        uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[],
        uuid[], bigint[], numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[],
        boolean, uuid, bigint, uuid[], bigint[], bigint, bigint, uuid, bigint
    ),
    banking.uuid_v7(),
    banking.system_account_id(text, text),
    banking.open_system_accounts(text),
    banking.update_account_optimistic(uuid, numeric, bigint)
    TO neobank_app;
GRANT EXECUTE ON FUNCTION
    banking.system_account_id(text, text),
    banking.start_of_day(date, text),
    banking.audit()
    TO neobank_app, neobank_read;
