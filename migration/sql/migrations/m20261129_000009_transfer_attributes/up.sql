-- Every column is nullable and has no default: the server changes the table's definition and no
-- row.
CREATE DOMAIN banking.actor AS text
    CONSTRAINT actor_length CHECK (length(VALUE) BETWEEN 1 AND 200);
COMMENT ON DOMAIN banking.actor IS 'The person or program that asked for a change, such as teller:42: 1 to 200 characters.';

CREATE DOMAIN banking.metadata AS jsonb
    CONSTRAINT metadata_is_an_object CHECK (jsonb_typeof(VALUE) = 'object')
    CONSTRAINT metadata_size CHECK (octet_length(VALUE::text) <= 50000)
    CONSTRAINT metadata_depth CHECK (NOT jsonb_path_exists(VALUE, 'strict $.**{33 to last}'));
COMMENT ON DOMAIN banking.metadata IS 'The caller''s own data of a request: a JSON object of at most 50,000 bytes, whose values lie at most 32 levels deep.';

CREATE DOMAIN banking.value_date AS date
    CONSTRAINT value_date_range CHECK (VALUE >= '0001-01-01' AND VALUE < '10000-01-01');
COMMENT ON DOMAIN banking.value_date IS 'The day from which money counts for interest.';

ALTER DOMAIN banking.transfer_type DROP CONSTRAINT transfer_type_is_known;
-- Not validated: every value that the earlier constraint allowed is still allowed, and the server
-- would read the whole journal.
ALTER DOMAIN banking.transfer_type ADD CONSTRAINT transfer_type_is_known CHECK (VALUE IN (
    'transfer', 'deposit', 'withdrawal', 'interest', 'fee', 'adjustment', 'reversal',
    'journal_entry', 'exchange'
)) NOT VALID;
COMMENT ON DOMAIN banking.transfer_type IS 'The kind of a transfer.
transfer: Money moves between customers'' accounts.
deposit: Money enters the bank.
withdrawal: Money leaves the bank.
interest: The bank pays or charges interest.
fee: The bank charges or returns a fee.
adjustment: The bank corrects a balance.
reversal: Money of an earlier transfer moves back, in whole or in part.
journal_entry: One line of a journal entry, against the clearing account.
exchange: One side of a currency exchange, against the bank''s position in that currency.';

ALTER TABLE banking.transfers
    ADD COLUMN group_id uuid,
    ADD COLUMN reverses_transfer_id uuid,
    ADD COLUMN hold_id uuid,
    ADD COLUMN actor banking.actor,
    ADD COLUMN metadata banking.metadata,
    ADD COLUMN value_date banking.value_date;
-- As of the journal's other columns: a small sample, so that an ANALYZE holds its snapshot shortly.
ALTER TABLE banking.transfers
    ALTER COLUMN group_id SET STATISTICS 10,
    ALTER COLUMN reverses_transfer_id SET STATISTICS 10,
    ALTER COLUMN hold_id SET STATISTICS 10,
    ALTER COLUMN actor SET STATISTICS 10,
    ALTER COLUMN metadata SET STATISTICS 10,
    ALTER COLUMN value_date SET STATISTICS 10;
COMMENT ON COLUMN banking.transfers.group_id IS 'The group whose transfers are posted together or not at all. The identifier of the transfer of step n, from 0, is that of the group plus n. Null for a single transfer.';
COMMENT ON COLUMN banking.transfers.reverses_transfer_id IS 'The transfer that this one reverses, in whole or in part; null for every other transfer.';
COMMENT ON COLUMN banking.transfers.hold_id IS 'The hold that this transfer captures; null for every other transfer.';
COMMENT ON COLUMN banking.transfers.actor IS 'The person or program that asked for the transfer, as the caller named it.';
COMMENT ON COLUMN banking.transfers.metadata IS 'The caller''s own data: a JSON object, part of the request''s hash.';
COMMENT ON COLUMN banking.transfers.value_date IS 'The value date; null for the booking day in each account''s time zone.';

-- The functions that write the journal pass this type to each other; a client never sends it.
CREATE TYPE banking.transfer_attributes AS (
    group_id uuid,
    reverses_transfer_id uuid,
    hold_id uuid,
    actor text,
    metadata jsonb,
    value_date date
);
COMMENT ON TYPE banking.transfer_attributes IS 'What a transfer that is being posted may have besides its amount and accounts.';
REVOKE ALL ON TYPE banking.transfer_attributes FROM PUBLIC;
