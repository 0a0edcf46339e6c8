CREATE SCHEMA IF NOT EXISTS bench
---
CREATE OR REPLACE FUNCTION bench.account(p_number integer) RETURNS uuid
LANGUAGE sql IMMUTABLE
AS $$ SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(p_number), 12, '0'))::uuid $$
---
CREATE OR REPLACE FUNCTION bench.transfer(p_from integer, p_to integer, p_with_key boolean) RETURNS uuid
LANGUAGE plpgsql
AS $$
DECLARE
    v_from uuid := bench.account(p_from);
    v_to uuid := bench.account(p_to);
    v_transfer uuid := new_identifier();
    v_amount numeric := 0.01;
    v_now timestamptz;
    v_account record;
    v_payer record;
    v_payee record;
BEGIN
    FOR v_account IN
        SELECT account_id, current_balance::numeric AS balance, available_balance, last_entry_number, last_entry_at
        FROM banking.accounts
        WHERE account_id IN (v_from, v_to) AND account_status = 'active'
        ORDER BY account_id
        FOR NO KEY UPDATE
    LOOP
        IF v_account.account_id = v_from THEN
            v_payer := v_account;
        ELSE
            v_payee := v_account;
        END IF;
    END LOOP;
    IF v_payer.available_balance < v_amount THEN
        RAISE EXCEPTION 'too little money';
    END IF;
    v_now := greatest(clock_timestamp(), v_payer.last_entry_at, v_payee.last_entry_at);
    INSERT INTO banking.transfers
        (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number, to_entry_number,
         amount, currency_code, description, idempotency_key, request_hash, posted_at)
    VALUES (v_transfer, 'transfer', v_from, v_to, v_payer.last_entry_number + 1, v_payee.last_entry_number + 1,
            v_amount, 'EUR', '', CASE WHEN p_with_key THEN v_transfer::text END,
            CASE WHEN p_with_key THEN decode(repeat('07', 32), 'hex') END, v_now);
    INSERT INTO banking.transactions
        (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount, currency_code,
         running_balance, description, transaction_date)
    VALUES (new_identifier(), v_transfer, v_from, v_payer.last_entry_number + 1, 'debit', v_amount, 'EUR',
            v_payer.balance - v_amount, 'Transfer', v_now),
           (new_identifier(), v_transfer, v_to, v_payee.last_entry_number + 1, 'credit', v_amount, 'EUR',
            v_payee.balance + v_amount, 'Transfer', v_now);
    RETURN v_transfer;
END
$$
