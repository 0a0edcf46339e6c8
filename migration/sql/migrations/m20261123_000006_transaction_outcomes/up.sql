CREATE TABLE concurrency.transaction_outcomes (
    attempt_id uuid PRIMARY KEY,
    transaction_name text NOT NULL CONSTRAINT transaction_outcomes_transaction_name_length CHECK (length(transaction_name) BETWEEN 1 AND 100),
    committed boolean NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
        CONSTRAINT transaction_outcomes_recorded_at_range
        CHECK (recorded_at >= '1970-01-01 00:00:00+00' AND recorded_at < '2200-01-01 00:00:00+00')
);
COMMENT ON TABLE concurrency.transaction_outcomes IS 'What became of a transaction, by its own word: it writes its row itself, as the last thing before its commit.';
COMMENT ON COLUMN concurrency.transaction_outcomes.attempt_id IS 'One attempt at a transaction; made by the client.';
COMMENT ON COLUMN concurrency.transaction_outcomes.transaction_name IS 'The name that the program gives to the transaction.';
COMMENT ON COLUMN concurrency.transaction_outcomes.committed IS 'True: written by the transaction itself. False: written by whoever asked and found nothing, so that the transaction can never commit any more.';

-- Retention deletes by age alone.
CREATE INDEX transaction_outcomes_recorded_at_index ON concurrency.transaction_outcomes USING brin (recorded_at);
