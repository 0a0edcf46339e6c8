-- The privileges of the application, the readers and the importer. They may read the journal and the
-- balances, and delete nothing.
-- The first statement revokes the grants of earlier versions.
REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA banking FROM neobank_app, neobank_read, neobank_import;
GRANT SELECT ON ALL TABLES IN SCHEMA banking TO neobank_app, neobank_import, neobank_read;
-- The table is empty between transactions.
REVOKE ALL ON banking.unfinished_transfers FROM neobank_app, neobank_read, neobank_import;
-- Only the service compares the hashes of keys.
REVOKE ALL ON banking.api_keys, banking.api_key_bindings FROM neobank_read, neobank_import;
-- The service reads the secrets in force through a function.
REVOKE ALL ON banking.webhook_secrets FROM neobank_app, neobank_read, neobank_import;
GRANT USAGE ON SEQUENCE banking.customer_number_sequence, banking.account_number_sequence TO neobank_app, neobank_import;

GRANT INSERT (customer_id, first_name, last_name, email, phone_primary, phone_secondary, date_of_birth,
              customer_type, customer_status, kyc_status) ON banking.customers TO neobank_app;
GRANT UPDATE (first_name, last_name, email, phone_primary, phone_secondary, customer_status, kyc_status)
    ON banking.customers TO neobank_app;

-- opened_at is excluded. No entry may be earlier, so a role that sets it could post into the past.
GRANT INSERT (account_id, customer_id, account_type, currency_code, minor_units, overdraft_limit, time_zone)
    ON banking.accounts TO neobank_app;
GRANT UPDATE (account_status, overdraft_limit, time_zone, closed_at) ON banking.accounts TO neobank_app;

-- Only neobank_import opens accounts in the past, sets the numbers that another system gave them,
-- and raises their limits to those of that system.
GRANT INSERT (customer_id, customer_number, first_name, last_name, email, phone_primary, phone_secondary, date_of_birth,
              customer_type) ON banking.customers TO neobank_import;
GRANT INSERT (account_id, customer_id, account_number, account_type, currency_code, minor_units, overdraft_limit, time_zone,
              opened_at) ON banking.accounts TO neobank_import;
GRANT UPDATE (overdraft_limit) ON banking.accounts TO neobank_import;

-- No role may insert into the journal. Functions do, and they insert both entries of each transfer.

GRANT INSERT (customer_id, preferences), UPDATE (preferences)
    ON banking.customer_preferences TO neobank_app;

GRANT EXECUTE ON FUNCTION
    banking.post_transfers,
    banking.post_transfers_optimistic,
    banking.post_transfers_pipelined,
    banking.post_unless_rejected,
    banking.uuid_v7(),
    banking.open_system_accounts(text)
    TO neobank_app, neobank_import;
GRANT EXECUTE ON FUNCTION
    banking.expire_due_holds(uuid),
    banking.update_account_optimistic(uuid, numeric, bigint),
    banking.reopen_account(uuid),
    banking.set_account_limit(uuid, text, text, numeric, text, integer),
    banking.remove_account_limit(uuid, text, text, text, integer),
    banking.close_period(text, date),
    banking.reopen_period(text),
    banking.create_api_key(uuid, text, text, bytea, text, uuid[], uuid[], timestamptz),
    banking.revoke_api_key(uuid),
    banking.note_api_key_use(uuid),
    banking.create_webhook(uuid, text, text, text, integer, bytea, bigint),
    banking.update_webhook(uuid, text, text, text, integer, boolean, text),
    banking.rotate_webhook_secret(uuid, bytea, integer),
    banking.read_webhook_secrets(uuid),
    banking.replay_webhook(uuid, bigint),
    banking.delete_webhook(uuid),
    banking.advance_webhook(uuid, bigint, bigint, boolean),
    banking.note_webhook_failure(uuid, bigint, bigint, text, double precision, integer),
    banking.redeliver_webhook_event(uuid, bigint),
    banking.end_webhook_redelivery(uuid, bigint, integer, text),
    banking.webhook_states(uuid)
    TO neobank_app;
GRANT EXECUTE ON FUNCTION
    banking.lock_open_days(uuid[]),
    banking.limit_uses(uuid[], timestamptz)
    TO neobank_app, neobank_import;
GRANT EXECUTE ON FUNCTION
    banking.system_account_id(text, text),
    banking.start_of_day(date, text),
    banking.available_balance(uuid)
    TO neobank_app, neobank_import, neobank_read;
GRANT EXECUTE ON FUNCTION
    banking.seal(integer),
    banking.advance_consumer(text, bigint, bigint)
    TO neobank_app;
GRANT EXECUTE ON FUNCTION
    banking.verify_seals(bigint, bigint),
    banking.verify_coverage(),
    banking.limit_uses(uuid[], timestamptz),
    banking.verify_chain(),
    banking.read_events(bigint, integer)
    TO neobank_app, neobank_read;
-- Figures alone: a monitoring role can read no table of the schema.
GRANT USAGE ON SCHEMA banking TO pg_monitor;
GRANT EXECUTE ON FUNCTION
    banking.sealing_lag(),
    banking.consumer_lags()
    TO neobank_app, neobank_read, pg_monitor;
GRANT EXECUTE ON FUNCTION
    banking.audit(),
    banking.audit_guards(),
    banking.is_system_account(uuid, text, text, text, uuid, numeric)
    TO neobank_app, neobank_read;
