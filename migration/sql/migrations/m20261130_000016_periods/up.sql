CREATE DOMAIN banking.closing_type AS text
    CONSTRAINT closing_type_is_known CHECK (VALUE IN ('closed', 'reopened'));
COMMENT ON DOMAIN banking.closing_type IS 'The kind of a change of what is closed in a currency.
closed: The days until a booking day were closed.
reopened: The newest closing was undone.';

-- A column of this table and not a row of another one: a request locks its currency's row, which
-- always exists, and a closing updates it.
ALTER TABLE banking.currencies ADD COLUMN first_open_day date
    CONSTRAINT currencies_first_open_day_range CHECK (first_open_day > '0001-01-01' AND first_open_day < '10000-01-01');
COMMENT ON COLUMN banking.currencies.first_open_day IS 'The day before which nothing is booked or value-dated in this currency any more; null before the first closing.';

CREATE SEQUENCE banking.closing_number_sequence AS bigint;

CREATE TABLE banking.period_closings (
    closing_number bigint PRIMARY KEY DEFAULT nextval('banking.closing_number_sequence'),
    currency_code text NOT NULL REFERENCES banking.currencies (currency_code),
    closing_type banking.closing_type NOT NULL,
    closed_through date NOT NULL,
    first_open_day date,
    previous_open_day date,
    ended_at timestamptz NOT NULL,
    actor banking.actor NOT NULL,
    database_role text NOT NULL,
    occurred_at timestamptz NOT NULL,
    CONSTRAINT period_closings_move_the_first_open_day CHECK (
        CASE closing_type
            WHEN 'closed' THEN first_open_day = closed_through + 1
                AND (previous_open_day IS NULL OR previous_open_day < first_open_day)
            ELSE previous_open_day = closed_through + 1
                AND (first_open_day IS NULL OR first_open_day < previous_open_day)
        END
    )
);
COMMENT ON TABLE banking.period_closings IS 'The closings of periods by currency, and their undoing. Append-only; the functions close_period() and reopen_period() write it.';
COMMENT ON COLUMN banking.period_closings.closed_through IS 'The last booking day of the closing, or of the closing that was undone.';
COMMENT ON COLUMN banking.period_closings.first_open_day IS 'The first open day afterwards; null if nothing is closed.';
COMMENT ON COLUMN banking.period_closings.previous_open_day IS 'The first open day before; null if nothing was closed.';
COMMENT ON COLUMN banking.period_closings.ended_at IS 'The time until which the last closed day was over in no zone of the bank''s accounts.';
COMMENT ON COLUMN banking.period_closings.actor IS 'The person or program that asked for it.';
COMMENT ON COLUMN banking.period_closings.database_role IS 'The role that had logged in to the database.';

CREATE INDEX period_closings_currency_code_index ON banking.period_closings (currency_code, closing_number);
