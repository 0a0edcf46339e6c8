-- The privileges of the application, the readers and the importer. They may read the journal and the
-- balances, and delete nothing.
-- The first statement takes back what an earlier version granted.
REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA banking FROM neobank_app, neobank_read, neobank_import;
GRANT SELECT ON ALL TABLES IN SCHEMA banking TO neobank_app, neobank_import, neobank_read;
-- It is empty between transactions.
REVOKE ALL ON banking.unfinished_transfers FROM neobank_app, neobank_read, neobank_import;
GRANT USAGE ON SEQUENCE banking.customer_number_sequence, banking.account_number_sequence TO neobank_app, neobank_import;

GRANT INSERT (customer_id, first_name, last_name, email, phone_primary, phone_secondary, date_of_birth,
              customer_type, customer_status, kyc_status) ON banking.customers TO neobank_app;
GRANT UPDATE (first_name, last_name, email, phone_primary, phone_secondary, customer_status, kyc_status)
    ON banking.customers TO neobank_app;

-- Without opened_at: no entry lies before it, so a role that may set it can write history.
GRANT INSERT (account_id, customer_id, account_type, currency_code, minor_units, overdraft_limit, time_zone)
    ON banking.accounts TO neobank_app;
GRANT UPDATE (account_status, overdraft_limit, time_zone, closed_at) ON banking.accounts TO neobank_app;

-- The importer alone opens accounts in the past, under the numbers of the system that they come from, and widens their
-- limits to what that system allowed.
GRANT INSERT (customer_id, customer_number, first_name, last_name, email, phone_primary, phone_secondary, date_of_birth,
              customer_type) ON banking.customers TO neobank_import;
GRANT INSERT (account_id, customer_id, account_number, account_type, currency_code, minor_units, overdraft_limit, time_zone,
              opened_at) ON banking.accounts TO neobank_import;
GRANT UPDATE (overdraft_limit) ON banking.accounts TO neobank_import;

-- Nothing may be inserted into the journal but by functions, which write both entries of each transfer.

GRANT INSERT (customer_id, preferences), UPDATE (preferences)
    ON banking.customer_preferences TO neobank_app;

GRANT EXECUTE ON FUNCTION
    banking.post_transfers(
        uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[],
        uuid[], bigint[], numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[]
    ),
    banking.post_transfers_optimistic(
        uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[],
        uuid[], bigint[], numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[],
        uuid, bigint, uuid[], bigint[], numeric[], numeric[], numeric[], text[], text[], bigint
    ),
    banking.post_transfers_pipelined(
        uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[],
        uuid[], bigint[], numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[],
        bigint, uuid,
        uuid, bigint, uuid[], bigint[], numeric[], numeric[], numeric[], text[], text[], bigint
    ),
    banking.post_unless_refused(
        uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[],
        uuid[], bigint[], numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[]
    ),
    banking.uuid_v7(),
    banking.open_system_accounts(text)
    TO neobank_app, neobank_import;
GRANT EXECUTE ON FUNCTION banking.update_account_optimistic(uuid, numeric, bigint) TO neobank_app;
GRANT EXECUTE ON FUNCTION
    banking.system_account_id(text, text),
    banking.start_of_day(date, text)
    TO neobank_app, neobank_import, neobank_read;
GRANT EXECUTE ON FUNCTION
    banking.audit(),
    banking.audit_guards(),
    banking.is_system_account(uuid, text, text, text, uuid, numeric)
    TO neobank_app, neobank_read;
