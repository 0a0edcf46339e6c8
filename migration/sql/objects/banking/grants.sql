-- What the application and the readers may do. The journal and balances: read. Nothing: delete.
-- What an earlier version granted.
REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA banking FROM neobank_app, neobank_read;
GRANT SELECT ON ALL TABLES IN SCHEMA banking TO neobank_app, neobank_read;
-- It is empty between transactions.
REVOKE ALL ON banking.unfinished_transfers FROM neobank_app, neobank_read;
GRANT USAGE ON SEQUENCE banking.customer_number_sequence, banking.account_number_sequence TO neobank_app;

GRANT INSERT (customer_id, first_name, last_name, email, phone_primary, phone_secondary, date_of_birth,
              customer_type, customer_status, kyc_status) ON banking.customers TO neobank_app;
GRANT UPDATE (first_name, last_name, email, phone_primary, phone_secondary, customer_status, kyc_status)
    ON banking.customers TO neobank_app;

GRANT INSERT (account_id, customer_id, account_type, currency_code, minor_units, overdraft_limit, time_zone, opened_at)
    ON banking.accounts TO neobank_app;
GRANT UPDATE (account_status, overdraft_limit, time_zone, closed_at) ON banking.accounts TO neobank_app;

-- Nothing may be inserted into the journal but by functions, which write both entries of each transfer.

GRANT INSERT (customer_id, preferences), UPDATE (preferences)
    ON banking.customer_preferences TO neobank_app;

GRANT EXECUTE ON FUNCTION
    banking.post_transfers(
        uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[],
        uuid[], bigint[], numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[],
        boolean, uuid, bigint, uuid[], bigint[], numeric[], numeric[], numeric[], text[], text[],
        bigint, bigint, uuid
    ),
    banking.post_unless_refused(
        uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[],
        uuid[], bigint[], numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[]
    ),
    banking.uuid_v7(),
    banking.system_account_id(text, text),
    banking.open_system_accounts(text),
    banking.update_account_optimistic(uuid, numeric, bigint)
    TO neobank_app;
GRANT EXECUTE ON FUNCTION
    banking.system_account_id(text, text),
    banking.start_of_day(date, text),
    banking.audit(),
    banking.audit_guards(),
    banking.is_system_account(uuid, text, text, text, uuid, numeric)
    TO neobank_app, neobank_read;
