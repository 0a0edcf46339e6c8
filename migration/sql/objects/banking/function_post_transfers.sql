-- The ledger's way into the journal: from one row for each transfer it makes the transfer, its debit, its credit and the
-- new balances, so that they belong together by construction and no trigger has to look for the other half. What can
-- still be wrong, the chain of each account's entries, is checked here as apply_entries() does it for every other writer.
-- Nothing is written before that fits, so that a caller may also try what it only remembers of the accounts, without a
-- lock (docs/decisions/0009-optimistic-concurrency-control-over-an-account-cache.md). Such a caller needs more:
-- * p_from_now: each p_posted_at is only the earliest time that is right; this clock's time is taken where it is later.
--   The function returns that time. It waits 10 ms for a lock at most, since a decision that has to wait is wrong.
-- * p_guard_account_id and p_guard_version: one of the accounts, which must still have this version when its balance
--   moves. A caller that lost the answer moves the version, and knows that its call cannot come any more.
-- * p_witness_account_id and, for each, the version, balance, held balance, limit and status that the account has when the
--   balances of this call have moved: the accounts of rejected requests. A version alone is not enough: what another call
--   was to leave may never have come, and a third one may have moved the account to the same version.
-- * p_unused_key: the keys of rejected requests. None may have been used. They are looked up by a statement after the one
--   that checks the accounts, and so in a later snapshot: a rejection is true of the moment of that check.
-- And a call may follow one that is on its way in another session (docs/decisions/0011-pipelining-of-batches.md):
-- * p_turn: the key of an advisory lock that this call holds until its transaction ends. It is only a signal: where it
--   cannot be taken at once, the call goes on without it.
-- * p_after: the turn of the call in front; p_after_transfer_id: one of its transfers, which proves that it succeeded.
-- All locks end with the transaction. Whoever else takes these locks delays a call that follows by 10 ms and stops none.
-- No entry lies before its account was opened, which only an importer may date back; the bank's own accounts take the
-- history of others. An opening ahead of this clock, which was set back then, does not count.
-- A commit of this function is durable, whatever the defaults of role, database or session say of synchronous_commit.
-- SECURITY DEFINER, because the application itself may not touch a balance. The setting, which only counts for those who
-- may, keeps the triggers from doing the same work again.
DROP FUNCTION IF EXISTS banking.post_transfers(
    uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[],
    uuid[], bigint[], numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[]
);
DROP FUNCTION IF EXISTS banking.post_transfers(
    uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[],
    uuid[], bigint[], numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[],
    boolean, uuid, bigint, uuid[], bigint[]
);
DROP FUNCTION IF EXISTS banking.post_transfers(
    uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[],
    uuid[], bigint[], numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[],
    boolean, uuid, bigint, uuid[], bigint[], bigint, bigint, uuid, bigint
);
CREATE OR REPLACE FUNCTION banking.post_transfers(
    p_transfer_id uuid[],
    p_transfer_type text[],
    p_amount numeric[],
    p_currency_code text[],
    p_description text[],
    p_idempotency_key text[],
    p_request_hash bytea[],
    p_posted_at timestamptz[],
    p_from_account_id uuid[],
    p_from_entry_number bigint[],
    p_from_balance numeric[],
    p_debit_id uuid[],
    p_debit_description text[],
    p_to_account_id uuid[],
    p_to_entry_number bigint[],
    p_to_balance numeric[],
    p_credit_id uuid[],
    p_credit_description text[],
    p_from_now boolean DEFAULT false,
    p_guard_account_id uuid DEFAULT NULL,
    p_guard_version bigint DEFAULT NULL,
    p_witness_account_id uuid[] DEFAULT NULL,
    p_witness_version bigint[] DEFAULT NULL,
    p_witness_balance numeric[] DEFAULT NULL,
    p_witness_held numeric[] DEFAULT NULL,
    p_witness_limit numeric[] DEFAULT NULL,
    p_witness_status text[] DEFAULT NULL,
    p_unused_key text[] DEFAULT NULL,
    p_turn bigint DEFAULT NULL,
    p_after bigint DEFAULT NULL,
    p_after_transfer_id uuid DEFAULT NULL
) RETURNS timestamptz
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- The plan is made once for a session, perhaps on an empty table or for a large batch, and kept: it must fit both. So
-- accounts are looked up one by one by their key, and never read as a whole. What a database or a role says of these
-- settings does not count, nor does the cost of such a plan, which would ask for a compiler.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_nestloop = on
SET enable_indexscan = on
SET jit = off
AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_lock_timeout text;
    v_ignored text;
    v_latest timestamptz;
    v_earliest timestamptz;
    v_one_at timestamptz;
    v_count integer;
    v_step text;
    v_witnesses bigint;
    v_accounts bigint;
    v_applied bigint;
    -- Set here and not in the function's definition, which only a superuser could create. An error takes it back.
    v_posting text := set_config('neobank.posting', 'on', true);
BEGIN
    -- Stronger settings, such as remote_apply, stay. It holds until the transaction ends, and so for its commit.
    IF current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN
        v_ignored := set_config('synchronous_commit', 'on', true);
    END IF;

    IF p_from_now THEN
        -- Enough for those who make room in the same tables, not for those who hold an account. Before the first lock.
        v_lock_timeout := current_setting('lock_timeout');
        v_ignored := set_config('lock_timeout', '10ms', true);
    END IF;

    IF p_after IS NOT NULL THEN
        -- Not before the call in front has begun, so that the time of this one is later. Some milliseconds at most: that one may
        -- have failed. The block's end gives back what it took, so that the call in front still finds its turn free.
        FOR v_try IN 1..10 LOOP
            BEGIN
                EXIT WHEN NOT pg_try_advisory_xact_lock_shared(p_after);
                RAISE EXCEPTION USING ERRCODE = 'NB000';
            EXCEPTION
                WHEN SQLSTATE 'NB000' THEN NULL;
            END;
            EXIT WHEN EXISTS (
                SELECT FROM banking.transfers AS transfer WHERE transfer.transfer_id = p_after_transfer_id
            );
            PERFORM pg_sleep(0.0005);
        END LOOP;
        v_now := clock_timestamp();
    END IF;
    IF p_turn IS NOT NULL THEN
        PERFORM pg_try_advisory_xact_lock(p_turn);
    END IF;

    -- Times never go back, so one entry in the future would drag every later one there. Only a clock that was set back
    -- leaves accounts whose last entry lies ahead of it; nothing goes further ahead than those.
    SELECT max(posted_at) INTO v_latest FROM unnest(p_posted_at) AS posted_at;
    IF v_latest > v_now THEN
        IF v_latest > (
            SELECT coalesce(max(account.last_entry_at), '-infinity')
            FROM banking.accounts AS account
            WHERE account.account_id = ANY (p_from_account_id || p_to_account_id)
        ) THEN
            RAISE EXCEPTION 'entries lie in the future: %', v_latest
                USING ERRCODE = 'NB002',
                      HINT = 'Take the time from clock_timestamp() after locking the accounts.';
        END IF;
    END IF;

    v_count := cardinality(p_transfer_id);
    IF (v_count = ALL (ARRAY[
           cardinality(p_transfer_type), cardinality(p_amount), cardinality(p_currency_code), cardinality(p_description),
           cardinality(p_idempotency_key), cardinality(p_request_hash), cardinality(p_posted_at),
           cardinality(p_from_account_id), cardinality(p_from_entry_number), cardinality(p_from_balance),
           cardinality(p_debit_id), cardinality(p_debit_description), cardinality(p_to_account_id),
           cardinality(p_to_entry_number), cardinality(p_to_balance), cardinality(p_credit_id),
           cardinality(p_credit_description)
       ])) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'arrays of different lengths' USING ERRCODE = 'NB002';
    END IF;
    -- NULL, which greatest() passes over, for those who know their time.
    v_earliest := CASE WHEN p_from_now THEN v_now END;
    v_one_at := greatest(p_posted_at[1], v_earliest);

    -- Rows that are written and then rolled back stay in the journal's tables until a vacuum, so the balances go first. But
    -- behind another call the rows are what can be written while that still holds the accounts.
    FOREACH v_step IN ARRAY CASE WHEN p_after IS NULL
        THEN ARRAY['balances', 'rejections', 'rows'] ELSE ARRAY['rows', 'balances', 'rejections'] END
    LOOP
        IF v_step = 'rows' AND v_count = 1 THEN
            INSERT INTO banking.transfers
                (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number, to_entry_number,
                 amount, currency_code, description, idempotency_key, request_hash, posted_at)
            VALUES (p_transfer_id[1], p_transfer_type[1], p_from_account_id[1], p_to_account_id[1],
                    p_from_entry_number[1], p_to_entry_number[1], p_amount[1], p_currency_code[1], p_description[1],
                    p_idempotency_key[1], p_request_hash[1], v_one_at);
            INSERT INTO banking.transactions
                (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount, currency_code,
                 running_balance, description, transaction_date)
            VALUES (p_debit_id[1], p_transfer_id[1], p_from_account_id[1], p_from_entry_number[1], 'debit',
                    p_amount[1], p_currency_code[1], p_from_balance[1], p_debit_description[1], v_one_at),
                   (p_credit_id[1], p_transfer_id[1], p_to_account_id[1], p_to_entry_number[1], 'credit',
                    p_amount[1], p_currency_code[1], p_to_balance[1], p_credit_description[1], v_one_at);
            CONTINUE;
        ELSIF v_step = 'rows' THEN
            INSERT INTO banking.transfers
                (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number, to_entry_number,
                 amount, currency_code, description, idempotency_key, request_hash, posted_at)
            SELECT p_transfer_id[n], p_transfer_type[n], p_from_account_id[n], p_to_account_id[n],
                   p_from_entry_number[n], p_to_entry_number[n], p_amount[n], p_currency_code[n], p_description[n],
                   p_idempotency_key[n], p_request_hash[n],
                   greatest(p_posted_at[n], v_earliest)
            FROM generate_series(1, v_count) AS n;
            INSERT INTO banking.transactions
                (account_id, entry_number, transaction_id, transfer_id, transaction_type, amount, currency_code,
                 running_balance, description, transaction_date)
            SELECT p_from_account_id[n], p_from_entry_number[n], p_debit_id[n], p_transfer_id[n], 'debit', p_amount[n],
                   p_currency_code[n], p_from_balance[n], p_debit_description[n],
                   greatest(p_posted_at[n], v_earliest)
            FROM generate_series(1, v_count) AS n
            UNION ALL
            SELECT p_to_account_id[n], p_to_entry_number[n], p_credit_id[n], p_transfer_id[n], 'credit', p_amount[n],
                   p_currency_code[n], p_to_balance[n], p_credit_description[n],
                   greatest(p_posted_at[n], v_earliest)
            FROM generate_series(1, v_count) AS n
            -- In the order of the statements' index, which many entries then touch page by page.
            ORDER BY 1, 2;
            CONTINUE;
        END IF;

        IF v_step = 'rejections' THEN
            IF p_witness_account_id IS NOT NULL THEN
                SELECT count(*)
                INTO v_witnesses
                FROM unnest(
                    p_witness_account_id, p_witness_version, p_witness_balance, p_witness_held, p_witness_limit,
                    p_witness_status
                ) AS witness (account_id, version, balance, held, overdraft_limit, status)
                CROSS JOIN LATERAL (
                    SELECT FROM banking.accounts AS account
                    WHERE account.account_id = witness.account_id
                      AND account.version = witness.version
                      AND account.current_balance = witness.balance
                      AND account.held_balance = witness.held
                      AND account.overdraft_limit IS NOT DISTINCT FROM witness.overdraft_limit
                      AND account.account_status = witness.status
                    OFFSET 0
                ) AS unchanged;
                IF v_witnesses <> cardinality(p_witness_account_id) THEN
                    RAISE EXCEPTION 'accounts have changed: % of % are as they were',
                            v_witnesses, cardinality(p_witness_account_id)
                        USING ERRCODE = 'NB002', HINT = 'Read the accounts and decide again.';
                END IF;
            END IF;
            IF p_unused_key IS NOT NULL AND EXISTS (
                SELECT FROM unnest(p_unused_key) AS unused (idempotency_key)
                CROSS JOIN LATERAL (
                    SELECT FROM banking.transfers AS transfer
                    WHERE transfer.idempotency_key = unused.idempotency_key
                    OFFSET 0
                ) AS used
            ) THEN
                RAISE EXCEPTION 'a rejected request has a key that was used before'
                    USING ERRCODE = 'NB002', HINT = 'Look the keys up and decide again.';
            END IF;
            CONTINUE;
        END IF;

        IF p_after IS NOT NULL THEN
            -- Until the call in front has ended. The statements after this one see what it has done. A stranger who waits for the
            -- same lock may have it next; that the transfer is there tells as much.
            FOR v_try IN 1..10 LOOP
                BEGIN
                    PERFORM pg_advisory_xact_lock_shared(p_after);
                    EXIT;
                EXCEPTION
                    WHEN lock_not_available THEN NULL;
                END;
                EXIT WHEN EXISTS (
                    SELECT FROM banking.transfers AS transfer WHERE transfer.transfer_id = p_after_transfer_id
                );
            END LOOP;
            IF NOT EXISTS (
                SELECT FROM banking.transfers AS transfer WHERE transfer.transfer_id = p_after_transfer_id
            ) THEN
                RAISE EXCEPTION 'the call in front has failed'
                    USING ERRCODE = 'NB002', HINT = 'Read the accounts and decide again.';
            END IF;
        END IF;

        -- One transfer needs no chain, and for it starting the statement for many would cost most.
        IF v_count = 1 THEN
            UPDATE banking.accounts AS account
            SET current_balance = side.balance,
                last_entry_number = side.entry_number,
                last_entry_at = v_one_at,
                version = account.version + 1,
                updated_at = greatest(clock_timestamp(), account.updated_at + interval '1 microsecond')
            FROM (
                SELECT p_from_account_id[1] AS account_id, p_from_entry_number[1] AS entry_number,
                       p_from_balance[1] AS balance, -p_amount[1] AS movement
                UNION ALL
                SELECT p_to_account_id[1], p_to_entry_number[1], p_to_balance[1], p_amount[1]
                -- The order in which every writer locks accounts.
                ORDER BY account_id
            ) AS side
            WHERE account.account_id = side.account_id
              AND account.account_status = 'active'
              AND account.currency_code = p_currency_code[1]
              AND account.minor_units >= scale(side.movement)
              AND account.last_entry_number + 1 = side.entry_number
              AND account.current_balance + side.movement = side.balance
              AND (account.last_entry_at IS NULL OR account.last_entry_at <= v_one_at)
              AND (account.opened_at <= v_one_at OR account.account_type = 'system' OR account.opened_at > v_now)
              AND (account.version = p_guard_version OR account.account_id IS DISTINCT FROM p_guard_account_id);
            GET DIAGNOSTICS v_applied = ROW_COUNT;
            v_accounts := 2;
        ELSE
            WITH chained AS (
                SELECT entry.*,
                       lag(entry.entry_number) OVER by_number AS number_before,
                       lag(entry.running_balance) OVER by_number AS balance_before,
                       lag(entry.posted_at) OVER by_number AS date_before,
                       lead(entry.entry_number) OVER by_number IS NULL AS is_last
                FROM (
                    SELECT p_from_account_id[n] AS account_id, p_from_entry_number[n] AS entry_number,
                           p_from_balance[n] AS running_balance, -p_amount[n] AS movement,
                           p_currency_code[n] AS currency_code,
                           greatest(p_posted_at[n], v_earliest) AS posted_at
                    FROM generate_series(1, v_count) AS n
                    UNION ALL
                    SELECT p_to_account_id[n], p_to_entry_number[n], p_to_balance[n], p_amount[n], p_currency_code[n],
                           greatest(p_posted_at[n], v_earliest)
                    FROM generate_series(1, v_count) AS n
                ) AS entry
                WINDOW by_number AS (PARTITION BY entry.account_id ORDER BY entry.entry_number)
            ),
            movements AS (
                SELECT chained.account_id,
                       count(*) AS entries,
                       min(chained.entry_number) AS first_number,
                       max(chained.entry_number) AS last_number,
                       min(chained.posted_at) AS first_date,
                       max(chained.posted_at) AS last_date,
                       min(chained.currency_code) AS currency_code,
                       max(scale(chained.movement)) AS decimals,
                       sum(chained.movement) AS movement,
                       bool_and(
                           chained.number_before IS NULL
                           OR (
                               chained.entry_number = chained.number_before + 1
                               AND chained.running_balance = chained.balance_before + chained.movement
                               AND chained.posted_at >= chained.date_before
                           )
                       )
                       AND min(chained.currency_code) = max(chained.currency_code) AS unbroken,
                       max(chained.running_balance) FILTER (WHERE chained.is_last) AS last_balance,
                       min(chained.running_balance) AS lowest_balance
                FROM chained
                GROUP BY chained.account_id
                -- The order in which every writer locks accounts.
                ORDER BY chained.account_id
            ),
            applied AS (
                UPDATE banking.accounts AS account
                SET current_balance = movements.last_balance,
                    last_entry_number = movements.last_number,
                    last_entry_at = movements.last_date,
                    version = account.version + movements.entries,
                    updated_at = greatest(clock_timestamp(), account.updated_at + interval '1 microsecond')
                FROM movements
                WHERE account.account_id = movements.account_id
                  AND movements.unbroken
                  AND account.account_status = 'active'
                  AND account.currency_code = movements.currency_code
                  AND account.minor_units >= movements.decimals
                  AND account.last_entry_number + 1 = movements.first_number
                  AND account.current_balance + movements.movement = movements.last_balance
                  AND (account.last_entry_at IS NULL OR account.last_entry_at <= movements.first_date)
                  AND (account.opened_at <= movements.first_date OR account.account_type = 'system'
                       OR account.opened_at > v_now)
                  -- The account's own check sees only where the balance ends, not what it came through.
                  AND (movements.lowest_balance = movements.last_balance
                       OR coalesce(movements.lowest_balance - account.held_balance + account.overdraft_limit >= 0, true))
                  AND (account.version = p_guard_version OR account.account_id IS DISTINCT FROM p_guard_account_id)
                RETURNING 1
            )
            SELECT (SELECT count(*) FROM movements), (SELECT count(*) FROM applied)
            INTO v_accounts, v_applied;
        END IF;

        IF v_applied <> v_accounts THEN
            RAISE EXCEPTION 'entries do not continue their accounts: % of % accounts fit', v_applied, v_accounts
                USING ERRCODE = 'NB002',
                      HINT = 'Lock the accounts first; number the entries on from last_entry_number without a gap; '
                             'let each running balance be the one before plus the entry, in the account''s currency, '
                             'at a time no earlier than the entry before and the account''s opening, on active accounts only, '
                             'within their limit.';
        END IF;
    END LOOP;

    IF p_from_now THEN
        v_ignored := set_config('lock_timeout', v_lock_timeout, true);
    END IF;
    v_posting := set_config('neobank.posting', 'off', true);
    RETURN v_now;
END
$$;
REVOKE ALL ON FUNCTION banking.post_transfers(
    uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[],
    uuid[], bigint[], numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[],
    boolean, uuid, bigint, uuid[], bigint[], numeric[], numeric[], numeric[], text[], text[], bigint, bigint, uuid
) FROM PUBLIC;
