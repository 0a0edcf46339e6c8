-- Validates that the accounts of a transfer exist, in place of two foreign keys. Accounts are never
-- deleted and keep their identifiers, so one read without a lock is enough.
-- SECURITY DEFINER, because a foreign key needs no privilege to read the accounts either.
CREATE OR REPLACE FUNCTION banking.check_transfers() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- The session keeps the plan, so the plan must also suit the tables after they have grown.
SET enable_seqscan = off
SET enable_nestloop = on
SET enable_indexscan = on
SET jit = off
AS $$
DECLARE
    v_transfers bigint;
    v_named bigint;
BEGIN
    SELECT count(*) INTO v_transfers FROM new_transfers AS transfer;
    SELECT count(*)
    INTO v_named
    FROM new_transfers AS transfer
    CROSS JOIN LATERAL (
        SELECT FROM banking.accounts AS account WHERE account.account_id = transfer.from_account_id OFFSET 0
    ) AS payer
    CROSS JOIN LATERAL (
        SELECT FROM banking.accounts AS account WHERE account.account_id = transfer.to_account_id OFFSET 0
    ) AS payee;
    IF v_named <> v_transfers THEN
        RAISE EXCEPTION 'transfers name accounts that are not there: % of % do', v_transfers - v_named, v_transfers
            USING ERRCODE = 'foreign_key_violation', SCHEMA = 'banking', TABLE = 'transfers',
                  CONSTRAINT = 'transfers_name_accounts';
    END IF;
    -- A later statement inserts the entries. A deferred trigger on unfinished_transfers checks at
    -- commit that it did.
    INSERT INTO banking.unfinished_transfers (transfer_id)
    SELECT transfer.transfer_id FROM new_transfers AS transfer;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION banking.check_transfers() FROM PUBLIC;
