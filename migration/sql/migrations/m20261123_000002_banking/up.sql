-- Money is an unconstrained numeric in a domain: numeric(p, s) would round silently before any
-- check sees the value. The upper bounds also reject NaN and Infinity, which PostgreSQL sorts
-- above every number.
CREATE DOMAIN banking.amount AS numeric
    CONSTRAINT amount_is_valid CHECK (VALUE > 0 AND VALUE < 1000000000000000000 AND scale(VALUE) <= 4);
COMMENT ON DOMAIN banking.amount IS 'A positive amount of money in major units, below 10^18, with at most four decimals.';

CREATE DOMAIN banking.balance AS numeric
    CONSTRAINT balance_is_valid
    CHECK (VALUE > -1000000000000000000 AND VALUE < 1000000000000000000 AND scale(VALUE) <= 4);
COMMENT ON DOMAIN banking.balance IS 'A balance in major units, between -10^18 and 10^18, with at most four decimals.';

-- A domain and not a check of the table, which the server would prepare again for every
-- statement.
CREATE DOMAIN banking.entry_description AS text
    CONSTRAINT entry_description_length CHECK (octet_length(VALUE) <= 4000);
COMMENT ON DOMAIN banking.entry_description IS 'The text of an entry on a statement: at most 4000 bytes.';

-- A domain lists the values of a text column that has few. `cargo xtask generate` writes an enum
-- for each domain; after its first line, a domain's comment documents the values.
CREATE DOMAIN banking.customer_type AS text
    CONSTRAINT customer_type_is_known CHECK (VALUE IN ('individual', 'business'));
COMMENT ON DOMAIN banking.customer_type IS 'The kind of a customer.
individual: A person.
business: A company or another organisation.';

CREATE DOMAIN banking.customer_status AS text
    CONSTRAINT customer_status_is_known CHECK (VALUE IN ('active', 'inactive', 'suspended', 'closed'));
COMMENT ON DOMAIN banking.customer_status IS 'The state of a customer.
active: The bank serves the customer.
inactive: The bank serves the customer, who has not used an account for long.
suspended: The bank does not serve the customer for now; the accounts are blocked.
closed: The customer has left the bank; the accounts are blocked.';

CREATE DOMAIN banking.kyc_status AS text
    CONSTRAINT kyc_status_is_known CHECK (VALUE IN ('pending', 'verified', 'rejected', 'expired'));
COMMENT ON DOMAIN banking.kyc_status IS 'The state of the check of a customer''s identity.
pending: The check has not been made.
verified: The identity is proven.
rejected: The check has failed.
expired: The check was made too long ago and has to be repeated.';

CREATE DOMAIN banking.account_type AS text
    CONSTRAINT account_type_is_known CHECK (VALUE IN ('checking', 'savings', 'business', 'system'));
COMMENT ON DOMAIN banking.account_type IS 'The kind of an account.
checking: An account for everyday payments.
savings: An account for savings.
business: An account of a business.
system: An account of the bank itself, without an owner and without a limit.';

CREATE DOMAIN banking.account_status AS text
    CONSTRAINT account_status_is_known CHECK (VALUE IN ('active', 'frozen', 'blocked', 'closed'));
COMMENT ON DOMAIN banking.account_status IS 'The state of an account.
active: Money moves in and out.
frozen: No money moves until the account is unfrozen.
blocked: No money moves, because the owner is suspended or closed as a customer.
closed: No money moves any more; the balance is zero.';

CREATE DOMAIN banking.transfer_type AS text
    CONSTRAINT transfer_type_is_known
    CHECK (VALUE IN ('transfer', 'deposit', 'withdrawal', 'interest', 'fee', 'adjustment'));
COMMENT ON DOMAIN banking.transfer_type IS 'The kind of a transfer.
transfer: Money moves between customers'' accounts.
deposit: Money enters the bank.
withdrawal: Money leaves the bank.
interest: The bank pays or charges interest.
fee: The bank charges or returns a fee.
adjustment: The bank corrects a balance.';

CREATE DOMAIN banking.entry_type AS text
    CONSTRAINT entry_type_is_known CHECK (VALUE IN ('debit', 'credit'));
COMMENT ON DOMAIN banking.entry_type IS 'The side of an entry.
debit: The account''s balance falls.
credit: The account''s balance rises.';

-- The functions that write the journal pass this type to each other; a client never sends it.
CREATE TYPE banking.new_transfer AS (
    transfer_id uuid,
    transfer_type text,
    amount numeric,
    currency_code text,
    description text,
    idempotency_key text,
    request_hash bytea,
    posted_at timestamptz,
    from_account_id uuid,
    from_entry_number bigint,
    from_balance numeric,
    debit_id uuid,
    debit_description text,
    to_account_id uuid,
    to_entry_number bigint,
    to_balance numeric,
    credit_id uuid,
    credit_description text
);
COMMENT ON TYPE banking.new_transfer IS 'A transfer that is being posted, with its debit and its credit.';
REVOKE ALL ON TYPE banking.new_transfer FROM PUBLIC;

CREATE TABLE banking.currencies (
    currency_code text PRIMARY KEY CONSTRAINT currencies_code_is_iso CHECK (currency_code ~ '^[A-Z]{3}$'),
    minor_units smallint NOT NULL CONSTRAINT currencies_minor_units_range CHECK (minor_units BETWEEN 0 AND 4),
    -- The target of the accounts' foreign key: an account stores the decimals of its currency.
    CONSTRAINT currencies_code_and_minor_units_key UNIQUE (currency_code, minor_units)
);
COMMENT ON TABLE banking.currencies IS 'The currencies of ISO 4217 and how many decimals each has.';
COMMENT ON COLUMN banking.currencies.minor_units IS 'Decimals of an amount in this currency.';

INSERT INTO banking.currencies (currency_code, minor_units) VALUES
    ('AED', 2), ('AFN', 2), ('ALL', 2), ('AMD', 2), ('AOA', 2), ('ARS', 2), ('AUD', 2), ('AWG', 2), ('AZN', 2),
    ('BAM', 2), ('BBD', 2), ('BDT', 2), ('BHD', 3), ('BIF', 0), ('BMD', 2), ('BND', 2), ('BOB', 2), ('BRL', 2),
    ('BSD', 2), ('BTN', 2), ('BWP', 2), ('BYN', 2), ('BZD', 2), ('CAD', 2), ('CDF', 2), ('CHF', 2), ('CLF', 4),
    ('CLP', 0), ('CNY', 2), ('COP', 2), ('CRC', 2), ('CUP', 2), ('CVE', 2), ('CZK', 2), ('DJF', 0), ('DKK', 2),
    ('DOP', 2), ('DZD', 2), ('EGP', 2), ('ERN', 2), ('ETB', 2), ('EUR', 2), ('FJD', 2), ('FKP', 2), ('GBP', 2),
    ('GEL', 2), ('GHS', 2), ('GIP', 2), ('GMD', 2), ('GNF', 0), ('GTQ', 2), ('GYD', 2), ('HKD', 2), ('HNL', 2),
    ('HTG', 2), ('HUF', 2), ('IDR', 2), ('ILS', 2), ('INR', 2), ('IQD', 3), ('IRR', 2), ('ISK', 0), ('JMD', 2),
    ('JOD', 3), ('JPY', 0), ('KES', 2), ('KGS', 2), ('KHR', 2), ('KMF', 0), ('KPW', 2), ('KRW', 0), ('KWD', 3),
    ('KYD', 2), ('KZT', 2), ('LAK', 2), ('LBP', 2), ('LKR', 2), ('LRD', 2), ('LSL', 2), ('LYD', 3), ('MAD', 2),
    ('MDL', 2), ('MGA', 2), ('MKD', 2), ('MMK', 2), ('MNT', 2), ('MOP', 2), ('MRU', 2), ('MUR', 2), ('MVR', 2),
    ('MWK', 2), ('MXN', 2), ('MYR', 2), ('MZN', 2), ('NAD', 2), ('NGN', 2), ('NIO', 2), ('NOK', 2), ('NPR', 2),
    ('NZD', 2), ('OMR', 3), ('PAB', 2), ('PEN', 2), ('PGK', 2), ('PHP', 2), ('PKR', 2), ('PLN', 2), ('PYG', 0),
    ('QAR', 2), ('RON', 2), ('RSD', 2), ('RUB', 2), ('RWF', 0), ('SAR', 2), ('SBD', 2), ('SCR', 2), ('SDG', 2),
    ('SEK', 2), ('SGD', 2), ('SHP', 2), ('SLE', 2), ('SOS', 2), ('SRD', 2), ('SSP', 2), ('STN', 2), ('SVC', 2),
    ('SYP', 2), ('SZL', 2), ('THB', 2), ('TJS', 2), ('TMT', 2), ('TND', 3), ('TOP', 2), ('TRY', 2), ('TTD', 2),
    ('TWD', 2), ('TZS', 2), ('UAH', 2), ('UGX', 0), ('USD', 2), ('UYI', 0), ('UYU', 2), ('UYW', 4), ('UZS', 2),
    ('VED', 2), ('VES', 2), ('VND', 0), ('VUV', 0), ('WST', 2), ('XAF', 0), ('XCD', 2), ('XCG', 2), ('XOF', 0),
    ('XPF', 0), ('YER', 2), ('ZAR', 2), ('ZMW', 2), ('ZWG', 2);

-- lpad() would truncate a longer number, so the sequence ends at the largest number of this
-- width.
CREATE SEQUENCE banking.customer_number_sequence AS bigint MAXVALUE 9999999999;

CREATE TABLE banking.customers (
    customer_id uuid PRIMARY KEY,
    customer_number text NOT NULL
        DEFAULT 'C' || lpad(nextval('banking.customer_number_sequence')::text, 10, '0')
        CONSTRAINT customers_customer_number_key UNIQUE,
    first_name text NOT NULL CONSTRAINT customers_first_name_length CHECK (length(first_name) BETWEEN 1 AND 200),
    last_name text NOT NULL CONSTRAINT customers_last_name_length CHECK (length(last_name) BETWEEN 1 AND 200),
    email text CONSTRAINT customers_email_length CHECK (length(email) BETWEEN 3 AND 254),
    phone_primary text CONSTRAINT customers_phone_primary_length CHECK (length(phone_primary) BETWEEN 1 AND 40),
    phone_secondary text CONSTRAINT customers_phone_secondary_length CHECK (length(phone_secondary) BETWEEN 1 AND 40),
    -- The trigger function check_customer() checks the latest day.
    date_of_birth date
        CONSTRAINT customers_date_of_birth_range CHECK (date_of_birth >= '1850-01-01' AND date_of_birth < '2200-01-01'),
    customer_type banking.customer_type NOT NULL DEFAULT 'individual',
    customer_status banking.customer_status NOT NULL DEFAULT 'active',
    kyc_status banking.kyc_status NOT NULL DEFAULT 'pending',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        CONSTRAINT customers_created_at_range CHECK (created_at >= '1970-01-01 00:00:00+00' AND created_at < '2200-01-01 00:00:00+00'),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
        CONSTRAINT customers_updated_at_range CHECK (updated_at >= '1970-01-01 00:00:00+00' AND updated_at < '2200-01-01 00:00:00+00')
);
COMMENT ON TABLE banking.customers IS 'The owners of accounts.';
COMMENT ON COLUMN banking.customers.customer_number IS 'The customer number that people use; the database makes it.';
COMMENT ON COLUMN banking.customers.email IS 'The e-mail address in the customer''s own spelling; compared and unique without case.';

CREATE UNIQUE INDEX customers_email_key ON banking.customers (lower(email));
-- The order of the customer search and of its cursor.
CREATE INDEX customers_created_at_index ON banking.customers (created_at DESC, customer_id DESC);

CREATE SEQUENCE banking.account_number_sequence AS bigint MAXVALUE 999999999999;

-- The trigger function check_account_terms() checks the values that no transfer changes.
CREATE TABLE banking.accounts (
    account_id uuid PRIMARY KEY,
    customer_id uuid REFERENCES banking.customers (customer_id),
    account_number text NOT NULL
        DEFAULT 'NB' || lpad(nextval('banking.account_number_sequence')::text, 12, '0')
        CONSTRAINT accounts_account_number_key UNIQUE,
    account_type banking.account_type NOT NULL,
    account_status banking.account_status NOT NULL DEFAULT 'active',
    currency_code text NOT NULL,
    minor_units smallint NOT NULL,
    current_balance banking.balance NOT NULL DEFAULT 0,
    held_balance banking.balance NOT NULL DEFAULT 0,
    overdraft_limit banking.balance DEFAULT 0,
    available_balance numeric GENERATED ALWAYS AS (current_balance - held_balance + overdraft_limit) STORED,
    time_zone text NOT NULL DEFAULT 'UTC',
    last_entry_number bigint NOT NULL DEFAULT 0,
    last_entry_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT accounts_currency_fkey FOREIGN KEY (currency_code, minor_units)
        REFERENCES banking.currencies (currency_code, minor_units),
    -- The upper bound keeps the available balance a valid amount for every overdraft limit.
    CONSTRAINT accounts_within_limit CHECK (available_balance >= 0 AND available_balance < 1000000000000000000),
    CONSTRAINT accounts_decimals_fit_currency CHECK (
        current_balance = round(current_balance, minor_units)
        AND held_balance = round(held_balance, minor_units)
        AND overdraft_limit = round(overdraft_limit, minor_units)
    ),
    CONSTRAINT accounts_closed_at_zero CHECK (
        account_status <> 'closed' OR (current_balance = 0 AND held_balance = 0)
    )
)
-- Every transfer updates two rows of this table. The free space keeps the new row versions on the
-- same page (heap-only updates).
WITH (fillfactor = 50);
COMMENT ON TABLE banking.accounts IS 'Accounts of customers and of the bank itself. Balances change only through the journal.';
COMMENT ON COLUMN banking.accounts.current_balance IS 'The book balance: the sum of the account''s entries.';
COMMENT ON COLUMN banking.accounts.held_balance IS 'The part of the book balance that holds reserve.';
COMMENT ON COLUMN banking.accounts.overdraft_limit IS 'The amount by which the balance may fall below zero; null for the bank''s own accounts, which have no limit.';
COMMENT ON COLUMN banking.accounts.available_balance IS 'The amount that can be spent: the book balance less holds plus the overdraft limit; null without a limit.';
COMMENT ON COLUMN banking.accounts.time_zone IS 'The time zone whose days the statement and the daily summary use.';
COMMENT ON COLUMN banking.accounts.last_entry_number IS 'The number of the newest entry; an account''s entries are numbered from 1 without gaps.';
COMMENT ON COLUMN banking.accounts.version IS 'The version for optimistic locking; every change of the row raises it.';

CREATE INDEX accounts_customer_id_index ON banking.accounts (customer_id);

-- The journal's two tables have no foreign keys: each key would look up and lock a row for every
-- row of the journal. Triggers enforce the same rules once for each statement: check_transfers()
-- for the transfers and apply_entries() for the entries. That is enough, because accounts and
-- transfers are never deleted and never get another identifier.
CREATE TABLE banking.transfers (
    transfer_id uuid PRIMARY KEY,
    transfer_type banking.transfer_type NOT NULL,
    reference_number text NOT NULL
        -- From the bytes and in the C collation: uuid as text in the database's collation costs
        -- eight times as much.
        GENERATED ALWAYS AS ('TRF-' || upper(encode(uuid_send(transfer_id), 'hex') COLLATE "C")) STORED,
    from_account_id uuid NOT NULL,
    to_account_id uuid NOT NULL,
    from_entry_number bigint NOT NULL,
    to_entry_number bigint NOT NULL,
    amount banking.amount NOT NULL,
    currency_code text NOT NULL,
    description text NOT NULL DEFAULT ''
        CONSTRAINT transfers_description_length CHECK (length(description) <= 500),
    idempotency_key text
        CONSTRAINT transfers_idempotency_key_length CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    request_hash bytea CONSTRAINT transfers_request_hash_length CHECK (octet_length(request_hash) = 32),
    posted_at timestamptz NOT NULL
        -- Clients can represent every time in these bounds. Infinity would block the accounts for
        -- ever, because the times of an account's entries never decrease.
        CONSTRAINT transfers_posted_at_range CHECK (
            posted_at >= '0001-01-01 00:00:00+00' AND posted_at < '10000-01-01 00:00:00+00'
        ),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT transfers_accounts_differ CHECK (from_account_id <> to_account_id),
    CONSTRAINT transfers_key_has_a_hash CHECK ((idempotency_key IS NULL) = (request_hash IS NULL))
)
-- The reason is the comment on the statistics below.
WITH (autovacuum_vacuum_cost_limit = 2000);
COMMENT ON TABLE banking.transfers IS 'The posted transfers: payer, payee, amount and reason of each. Append-only.';
COMMENT ON COLUMN banking.transfers.reference_number IS 'The reference number that people use; derived from the identifier, so it is unique for ever.';
COMMENT ON COLUMN banking.transfers.from_entry_number IS 'The number of the debit among the entries of from_account_id.';
COMMENT ON COLUMN banking.transfers.to_entry_number IS 'The number of the credit among the entries of to_account_id.';
COMMENT ON COLUMN banking.transfers.idempotency_key IS 'The caller''s idempotency key: repeated requests with one key post one transfer.';
COMMENT ON COLUMN banking.transfers.request_hash IS 'The SHA-256 of the request, so that a key used for another request is rejected.';
COMMENT ON COLUMN banking.transfers.posted_at IS 'The time of the transfer and of both entries.';

CREATE UNIQUE INDEX transfers_idempotency_key_key ON banking.transfers (idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE TABLE banking.transactions (
    transaction_id uuid PRIMARY KEY,
    transfer_id uuid NOT NULL,
    account_id uuid NOT NULL,
    entry_number bigint NOT NULL CONSTRAINT transactions_entry_number_positive CHECK (entry_number > 0),
    transaction_type banking.entry_type NOT NULL,
    amount banking.amount NOT NULL,
    currency_code text NOT NULL,
    running_balance banking.balance NOT NULL,
    description banking.entry_description NOT NULL DEFAULT '',
    reference_number text NOT NULL
        -- From the bytes and in the C collation: uuid as text in the database's collation costs
        -- eight times as much.
        GENERATED ALWAYS AS ('TRF-' || upper(encode(uuid_send(transfer_id), 'hex') COLLATE "C")) STORED,
    transaction_date timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
-- The reason is the comment on the statistics below.
WITH (autovacuum_vacuum_cost_limit = 2000);
COMMENT ON TABLE banking.transactions IS 'The journal: every entry of every account, a debit and a credit for each transfer. Append-only.';
COMMENT ON COLUMN banking.transactions.entry_number IS 'The number among the account''s entries: 1, 2, 3 without a gap.';
COMMENT ON COLUMN banking.transactions.transaction_type IS 'The side of the entry: a debit lowers the account''s balance, a credit raises it.';
COMMENT ON COLUMN banking.transactions.running_balance IS 'The account''s book balance after this entry.';
COMMENT ON COLUMN banking.transactions.transaction_date IS 'The time of the entry; never earlier than that of the account''s previous entry.';

-- Serves statements, daily summaries and receipts. The times of an account's entries never
-- decrease, so this order is also the order of the entry numbers.
CREATE UNIQUE INDEX transactions_account_and_date_key
    ON banking.transactions (account_id, transaction_date, entry_number);

-- An ANALYZE holds its snapshot while it reads its sample, and until it ends, no row version that
-- an update of an account supersedes can be pruned. With the default sample of 30,000 rows that
-- takes some seconds, in which the accounts of a busy ledger grow to ten times their size. The
-- journal's queries use its indexes and need no finer statistics. Its autovacuum may do ten times
-- the default work between two delays, because such an ANALYZE spends nearly all its time in
-- these delays (docs/benchmarks.md).
DO $$
DECLARE
    v_column record;
BEGIN
    FOR v_column IN
        SELECT attribute.attrelid::regclass AS table_name, attribute.attname
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid IN ('banking.transfers'::regclass, 'banking.transactions'::regclass)
          AND attribute.attnum > 0
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 10', v_column.table_name, v_column.attname);
    END LOOP;
END
$$;

CREATE TABLE banking.unfinished_transfers (
    transfer_id uuid PRIMARY KEY
);
COMMENT ON TABLE banking.unfinished_transfers IS 'Transfers that an uncommitted transaction inserted without a posting function; a deferred trigger requires their entries and deletes the row.';

CREATE TABLE banking.customer_preferences (
    customer_id uuid PRIMARY KEY REFERENCES banking.customers (customer_id),
    preferences jsonb NOT NULL DEFAULT '{}'
        CONSTRAINT customer_preferences_is_an_object CHECK (jsonb_typeof(preferences) = 'object')
        CONSTRAINT customer_preferences_size CHECK (octet_length(preferences::text) <= 1000000),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        CONSTRAINT customer_preferences_created_at_range
        CHECK (created_at >= '1970-01-01 00:00:00+00' AND created_at < '2200-01-01 00:00:00+00'),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
        CONSTRAINT customer_preferences_updated_at_range
        CHECK (updated_at >= '1970-01-01 00:00:00+00' AND updated_at < '2200-01-01 00:00:00+00')
);
COMMENT ON TABLE banking.customer_preferences IS 'A customer''s preferences: a JSON object that updates merge key by key.';
