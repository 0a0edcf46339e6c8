CREATE DOMAIN banking.change_operation AS text
    CONSTRAINT change_operation_is_known CHECK (VALUE IN ('insert', 'update', 'delete'));
COMMENT ON DOMAIN banking.change_operation IS 'The kind of a change of the bank''s master data.
insert: The row was created.
update: The row was changed.
delete: The row was removed.';

CREATE SEQUENCE banking.change_number_sequence AS bigint;

CREATE TABLE banking.change_log (
    change_number bigint PRIMARY KEY DEFAULT nextval('banking.change_number_sequence'),
    table_name text NOT NULL,
    operation banking.change_operation NOT NULL,
    customer_id uuid,
    account_id uuid,
    actor banking.actor,
    database_role text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    old_values jsonb,
    new_values jsonb,
    CONSTRAINT change_log_has_values CHECK (old_values IS NOT NULL OR new_values IS NOT NULL)
);
COMMENT ON TABLE banking.change_log IS 'The changes of customers, accounts, their terms and preferences. Append-only; triggers write it.';
COMMENT ON COLUMN banking.change_log.change_number IS 'The number of the change. The changes of one row have growing numbers; numbers may be missing.';
COMMENT ON COLUMN banking.change_log.table_name IS 'The table of the schema banking whose row was changed.';
COMMENT ON COLUMN banking.change_log.customer_id IS 'The customer, or the owner of the account; null for the bank''s own accounts.';
COMMENT ON COLUMN banking.change_log.account_id IS 'The account; null for a change of a customer or of preferences.';
COMMENT ON COLUMN banking.change_log.actor IS 'The person or program that asked for the change: the setting neobank.actor of the transaction.';
COMMENT ON COLUMN banking.change_log.database_role IS 'The role that had logged in to the database.';
COMMENT ON COLUMN banking.change_log.old_values IS 'The values before the change, of the changed columns alone; null for a new row. Numbers are texts, except in preferences.';
COMMENT ON COLUMN banking.change_log.new_values IS 'The values after the change, of the changed columns alone; null for a removed row.';

-- The order of the lists, the newest change first.
CREATE INDEX change_log_account_id_index ON banking.change_log (account_id, change_number)
    WHERE account_id IS NOT NULL;
CREATE INDEX change_log_customer_id_index ON banking.change_log (customer_id, change_number)
    WHERE customer_id IS NOT NULL;
