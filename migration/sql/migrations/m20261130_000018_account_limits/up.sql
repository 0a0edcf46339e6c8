CREATE DOMAIN banking.limit_window AS text
    CONSTRAINT limit_window_is_known CHECK (VALUE IN ('transfer', 'day', 'rolling'));
COMMENT ON DOMAIN banking.limit_window IS 'The time whose transfers a limit sums up.
transfer: Each transfer by itself.
day: The transfers of a day in the account''s time zone.
rolling: The transfers of a number of hours until the transfer.';

-- A constant default: the server changes the table's definition and no row.
ALTER TABLE banking.accounts ADD COLUMN has_limits boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN banking.accounts.has_limits IS 'True if banking.account_limits has a row for the account: its transfers are decided under its lock.';

CREATE SEQUENCE banking.limit_number_sequence AS bigint;

CREATE TABLE banking.account_limits (
    limit_number bigint PRIMARY KEY DEFAULT nextval('banking.limit_number_sequence'),
    account_id uuid NOT NULL REFERENCES banking.accounts (account_id),
    entry_type banking.entry_type NOT NULL,
    transfer_type banking.transfer_type,
    limit_window banking.limit_window NOT NULL,
    window_hours integer
        CONSTRAINT account_limits_window_hours_range CHECK (window_hours BETWEEN 1 AND 8784),
    amount banking.amount NOT NULL,
    actor banking.actor,
    set_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT account_limits_rolling_has_hours CHECK (
        (limit_window = 'rolling') = (window_hours IS NOT NULL)
    ),
    CONSTRAINT account_limits_key
        UNIQUE NULLS NOT DISTINCT (account_id, entry_type, transfer_type, limit_window, window_hours)
);
COMMENT ON TABLE banking.account_limits IS 'The limits of accounts: the most that may leave or enter an account at once or in a window. Functions write it.';
COMMENT ON COLUMN banking.account_limits.entry_type IS 'The side that the limit counts: debits leave the account, credits enter it.';
COMMENT ON COLUMN banking.account_limits.transfer_type IS 'The only kind of transfers that the limit counts; null for all but interest, fees, adjustments and reversals.';
COMMENT ON COLUMN banking.account_limits.window_hours IS 'The length of a rolling window in hours; null for the other windows.';
COMMENT ON COLUMN banking.account_limits.amount IS 'The most that the window may sum up to, in the account''s currency.';
COMMENT ON COLUMN banking.account_limits.actor IS 'The person or program that set the limit: the setting neobank.actor of the transaction.';
