-- Holds the whole of the books against every promise made about them, in one snapshot. No row means no breach.
CREATE OR REPLACE FUNCTION banking.audit() RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH signed AS (
        SELECT entry.*,
               CASE entry.transaction_type WHEN 'credit' THEN entry.amount ELSE -entry.amount END AS movement
        FROM banking.transactions AS entry
    ),
    chained AS (
        SELECT signed.*,
               lag(signed.running_balance, 1, 0::numeric) OVER by_number AS balance_before,
               lag(signed.entry_number, 1, 0::bigint) OVER by_number AS number_before,
               lag(signed.transaction_date) OVER by_number AS date_before
        FROM signed
        WINDOW by_number AS (PARTITION BY signed.account_id ORDER BY signed.entry_number)
    ),
    per_account AS (
        SELECT account.account_id, account.account_number, account.account_type, account.account_status,
               account.current_balance, account.held_balance, account.overdraft_limit, account.available_balance,
               account.last_entry_number, account.last_entry_at,
               coalesce(sum(signed.movement), 0) AS entries_sum,
               count(signed.transaction_id) AS entries,
               coalesce((array_agg(signed.running_balance ORDER BY signed.entry_number DESC)
                         FILTER (WHERE signed.transaction_id IS NOT NULL))[1], 0) AS last_running_balance,
               max(signed.transaction_date) AS last_date
        FROM banking.accounts AS account
        LEFT JOIN signed ON signed.account_id = account.account_id
        GROUP BY account.account_id
    ),
    per_transfer AS (
        SELECT signed.transfer_id, sum(signed.movement) AS total, count(*) AS entries
        FROM signed
        GROUP BY signed.transfer_id
    )
    SELECT 'transfer sums to zero', per_transfer.transfer_id::text,
           format('%s entries sum to %s', per_transfer.entries, per_transfer.total)
    FROM per_transfer
    WHERE per_transfer.total IS DISTINCT FROM 0 OR per_transfer.entries <> 2
    UNION ALL
    SELECT 'transfer has its entries', transfer.transfer_id::text,
           format('debit %s, credit %s', coalesce(debit.transaction_id::text, 'missing'),
                  coalesce(credit.transaction_id::text, 'missing'))
    FROM banking.transfers AS transfer
    LEFT JOIN banking.transactions AS debit
        ON debit.transfer_id = transfer.transfer_id AND debit.transaction_type = 'debit'
        AND debit.account_id = transfer.from_account_id AND debit.entry_number = transfer.from_entry_number
        AND debit.amount = transfer.amount AND debit.currency_code = transfer.currency_code
        AND debit.transaction_date = transfer.posted_at
    LEFT JOIN banking.transactions AS credit
        ON credit.transfer_id = transfer.transfer_id AND credit.transaction_type = 'credit'
        AND credit.account_id = transfer.to_account_id AND credit.entry_number = transfer.to_entry_number
        AND credit.amount = transfer.amount AND credit.currency_code = transfer.currency_code
        AND credit.transaction_date = transfer.posted_at
    WHERE debit.transaction_id IS NULL OR credit.transaction_id IS NULL
    UNION ALL
    SELECT 'entry has its transfer', entry.transaction_id::text, format('transfer %s is missing', entry.transfer_id)
    FROM banking.transactions AS entry
    WHERE NOT EXISTS (SELECT FROM banking.transfers AS t WHERE t.transfer_id = entry.transfer_id)
    UNION ALL
    SELECT 'transfer names accounts that exist', transfer.transfer_id::text,
           format('from %s, to %s', transfer.from_account_id, transfer.to_account_id)
    FROM banking.transfers AS transfer
    WHERE NOT EXISTS (SELECT FROM banking.accounts AS payer WHERE payer.account_id = transfer.from_account_id)
       OR NOT EXISTS (SELECT FROM banking.accounts AS payee WHERE payee.account_id = transfer.to_account_id)
    UNION ALL
    SELECT 'entry is on an account of its currency', entry.transaction_id::text,
           format('entry in %s, account %s', entry.currency_code, coalesce(account.currency_code, 'missing'))
    FROM banking.transactions AS entry
    LEFT JOIN banking.accounts AS account ON account.account_id = entry.account_id
    WHERE account.currency_code IS DISTINCT FROM entry.currency_code
       OR entry.amount IS DISTINCT FROM round(entry.amount, account.minor_units)
    UNION ALL
    SELECT 'amount is a positive number', entry.transaction_id::text, entry.amount::text
    FROM banking.transactions AS entry
    WHERE NOT (entry.amount > 0 AND entry.amount < 1000000000000000000)
    UNION ALL
    SELECT 'running balance is the one before plus the entry', chained.transaction_id::text,
           format('%s is not %s plus %s', chained.running_balance, chained.balance_before, chained.movement)
    FROM chained
    WHERE chained.running_balance IS DISTINCT FROM chained.balance_before + chained.movement
    UNION ALL
    SELECT 'entries are numbered without a gap', chained.transaction_id::text,
           format('%s follows %s', chained.entry_number, chained.number_before)
    FROM chained
    WHERE chained.entry_number IS DISTINCT FROM chained.number_before + 1
    UNION ALL
    SELECT 'times of an account never go back', chained.transaction_id::text,
           format('%s follows %s', chained.transaction_date, chained.date_before)
    FROM chained
    WHERE chained.transaction_date < chained.date_before
    UNION ALL
    SELECT 'balance is the sum of the entries', per_account.account_number,
           format('balance %s, entries sum to %s', per_account.current_balance, per_account.entries_sum)
    FROM per_account
    WHERE per_account.current_balance IS DISTINCT FROM per_account.entries_sum
    UNION ALL
    SELECT 'balance is the last running balance', per_account.account_number,
           format('balance %s, last running balance %s', per_account.current_balance, per_account.last_running_balance)
    FROM per_account
    WHERE per_account.current_balance IS DISTINCT FROM per_account.last_running_balance
    UNION ALL
    SELECT 'account knows its last entry', per_account.account_number,
           format('says number %s at %s, has %s entries, the last at %s', per_account.last_entry_number,
                  per_account.last_entry_at, per_account.entries, per_account.last_date)
    FROM per_account
    WHERE per_account.last_entry_number <> per_account.entries
       OR per_account.last_entry_at IS DISTINCT FROM per_account.last_date
    UNION ALL
    SELECT 'account is within its limit', per_account.account_number,
           format('balance %s, held %s, overdraft limit %s', per_account.current_balance,
                  per_account.held_balance, per_account.overdraft_limit)
    FROM per_account
    WHERE per_account.account_type <> 'system'
      AND NOT coalesce(per_account.current_balance - per_account.held_balance + per_account.overdraft_limit >= 0
                       AND per_account.current_balance < 1000000000000000000, false)
    UNION ALL
    SELECT 'closed account is empty', per_account.account_number, format('balance %s, held %s', per_account.current_balance, per_account.held_balance)
    FROM per_account
    WHERE per_account.account_status = 'closed' AND (per_account.current_balance <> 0 OR per_account.held_balance <> 0)
    UNION ALL
    SELECT 'accounts of a currency sum to zero', account.currency_code, sum(account.current_balance)::text
    FROM banking.accounts AS account
    GROUP BY account.currency_code
    HAVING sum(account.current_balance) <> 0
    UNION ALL
    -- Books can only be trusted while their guards stand.
    SELECT 'guard is in place', guard.name, 'the trigger is missing, disabled or another one'
    FROM (VALUES
        ('transactions_apply_entries', 'banking.transactions', 'banking.apply_entries()'),
        ('transactions_append_only', 'banking.transactions', 'banking.refuse_journal_change()'),
        ('transfers_name_accounts', 'banking.transfers', 'banking.check_transfers()'),
        ('transfers_append_only', 'banking.transfers', 'banking.refuse_journal_change()'),
        ('accounts_balance_follows_journal', 'banking.accounts', 'banking.refuse_account_change()'),
        ('accounts_open_empty', 'banking.accounts', 'banking.refuse_account_change()'),
        ('accounts_never_deleted', 'banking.accounts', 'banking.refuse_account_change()'),
        ('accounts_closed_for_ever', 'banking.accounts', 'banking.refuse_account_change()'),
        ('accounts_guard_system_insert', 'banking.accounts', 'banking.guard_system_account()'),
        ('accounts_guard_system_update', 'banking.accounts', 'banking.guard_system_account()'),
        ('accounts_valid_terms', 'banking.accounts', 'banking.check_account_terms()')
    ) AS guard (name, on_table, calls)
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS trigger
        WHERE trigger.tgname = guard.name AND trigger.tgenabled IN ('O', 'A')
          AND trigger.tgrelid = to_regclass(guard.on_table) AND trigger.tgfoid = to_regprocedure(guard.calls)
    )
    UNION ALL
    SELECT 'application cannot change a balance', role.name, format('may update banking.accounts.%I', role.column_name)
    FROM (
        SELECT role.name, column_name
        FROM (VALUES ('neobank_app'), ('neobank_read')) AS role (name)
        CROSS JOIN (VALUES ('current_balance'), ('held_balance'), ('last_entry_number')) AS guarded (column_name)
    ) AS role
    WHERE has_column_privilege(role.name, 'banking.accounts', role.column_name, 'UPDATE')
$$;
REVOKE ALL ON FUNCTION banking.audit() FROM PUBLIC;
