-- Rejects a change of a balance without entries, and the deletion of an account.
CREATE OR REPLACE FUNCTION banking.reject_account_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE EXCEPTION '% of banking.accounts is rejected', TG_OP
            USING ERRCODE = 'NB003', HINT = 'Close the account instead.';
    END IF;
    RAISE EXCEPTION '% of a balance in banking.accounts is rejected: balances change only through the journal', TG_OP
        USING ERRCODE = 'NB003',
              HINT = 'Insert entries into banking.transactions; the balances follow them.';
END
$$;
REVOKE ALL ON FUNCTION banking.reject_account_change() FROM PUBLIC;
