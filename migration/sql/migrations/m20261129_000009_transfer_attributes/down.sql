DROP TYPE banking.transfer_attributes;
ALTER TABLE banking.transfers
    DROP COLUMN group_id,
    DROP COLUMN reverses_transfer_id,
    DROP COLUMN hold_id,
    DROP COLUMN actor,
    DROP COLUMN metadata,
    DROP COLUMN value_date;
DROP DOMAIN banking.actor;
DROP DOMAIN banking.metadata;
DROP DOMAIN banking.value_date;
-- Fails if a transfer has one of the new types.
ALTER DOMAIN banking.transfer_type DROP CONSTRAINT transfer_type_is_known;
ALTER DOMAIN banking.transfer_type ADD CONSTRAINT transfer_type_is_known
    CHECK (VALUE IN ('transfer', 'deposit', 'withdrawal', 'interest', 'fee', 'adjustment'));
COMMENT ON DOMAIN banking.transfer_type IS 'The kind of a transfer.
transfer: Money moves between customers'' accounts.
deposit: Money enters the bank.
withdrawal: Money leaves the bank.
interest: The bank pays or charges interest.
fee: The bank charges or returns a fee.
adjustment: The bank corrects a balance.';
