-- Internal: rejects transfers that reverse something else than a transfer, or more of it than is
-- left. The reversals of a transfer move money between its two accounts, so the locks of these
-- accounts, which the caller holds, put them in one order; this function begins a new snapshot
-- behind the locks. A reversal:
-- * names a transfer that exists and is no reversal itself;
-- * pays from that transfer's payee to its payer, in its currency;
-- * makes the sum of that transfer's reversals no more than its amount.
CREATE OR REPLACE FUNCTION banking.validate_reversals(p_transfer_id uuid[]) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_reversal banking.transfers;
    v_original banking.transfers;
    v_reversed numeric;
BEGIN
    FOR v_reversal IN
        SELECT transfer.*
        FROM unnest(p_transfer_id) AS posted (transfer_id)
        CROSS JOIN LATERAL (
            SELECT * FROM banking.transfers AS named
            WHERE named.transfer_id = posted.transfer_id AND named.reverses_transfer_id IS NOT NULL
            OFFSET 0
        ) AS transfer
    LOOP
        SELECT * INTO v_original
        FROM banking.transfers AS original
        WHERE original.transfer_id = v_reversal.reverses_transfer_id;
        SELECT sum(reversal.amount) INTO v_reversed
        FROM banking.transfers AS reversal
        WHERE reversal.reverses_transfer_id = v_reversal.reverses_transfer_id;
        IF (
            v_original.reverses_transfer_id IS NULL
            AND v_original.from_account_id = v_reversal.to_account_id
            AND v_original.to_account_id = v_reversal.from_account_id
            AND v_original.currency_code = v_reversal.currency_code
            AND v_reversed <= v_original.amount
        ) IS NOT TRUE THEN
            RAISE EXCEPTION 'transfer % cannot reverse transfer %', v_reversal.transfer_id,
                    v_reversal.reverses_transfer_id
                USING ERRCODE = 'NB002',
                      HINT = 'Lock both accounts first. Reverse no more than is left of a transfer '
                             'that is no reversal itself, from its payee to its payer.';
        END IF;
    END LOOP;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.validate_reversals(uuid[]) FROM PUBLIC;
