-- Compares the objects that protect the journal with those of this version: triggers, constraints,
-- unique indexes, rules, row security, owners, privileges and settings. banking.audit() calls it.
-- The commands neobank audit and neobank migrate status compare the whole schema with the bodies of
-- its functions, because a role that can replace a trigger's function can replace this one too.
CREATE OR REPLACE FUNCTION banking.audit_guards() RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'guard is in place', guard.name, CASE
               WHEN found.oid IS NULL THEN 'the trigger is missing'
               WHEN found.tgenabled NOT IN ('A', guard.enabled) THEN 'the trigger is disabled in some sessions or in all'
               ELSE format('the trigger is another one: %s', pg_get_triggerdef(found.oid))
           END
    FROM (VALUES
        ('accounts_balance_follows_journal', 'A',
         'CREATE TRIGGER accounts_balance_follows_journal BEFORE UPDATE OF current_balance, held_balance, last_entry_number, last_entry_at, account_id, currency_code, minor_units ON banking.accounts FOR EACH STATEMENT WHEN (*) EXECUTE FUNCTION banking.reject_account_change()'),
        ('accounts_guard_closed', 'A',
         'CREATE TRIGGER accounts_guard_closed BEFORE UPDATE OF account_type, account_status, overdraft_limit, time_zone, customer_id, opened_at, closed_at ON banking.accounts FOR EACH ROW WHEN (((old.account_status)::text = ''closed''::text)) EXECUTE FUNCTION banking.guard_closed_account()'),
        ('accounts_follow_customer', 'A',
         'CREATE TRIGGER accounts_follow_customer BEFORE INSERT OR UPDATE OF account_status ON banking.accounts FOR EACH ROW WHEN ((((new.account_status)::text = ANY (ARRAY[''active''::text, ''blocked''::text])) AND (new.customer_id IS NOT NULL))) EXECUTE FUNCTION banking.follow_customer()'),
        ('accounts_guard_system_insert', 'A',
         'CREATE TRIGGER accounts_guard_system_insert BEFORE INSERT ON banking.accounts FOR EACH ROW WHEN ((((new.account_type)::text = ''system''::text) OR (new.account_number ~~ ''SYS-%''::text) OR ((new.account_id >= ''00000000-0000-8000-8000-000000000000''::uuid) AND (new.account_id <= ''00000000-0000-8000-8000-ffffffffffff''::uuid)))) EXECUTE FUNCTION banking.guard_system_account()'),
        ('accounts_guard_system_update', 'A',
         'CREATE TRIGGER accounts_guard_system_update BEFORE UPDATE OF account_type, account_number, account_status, overdraft_limit, time_zone, opened_at, closed_at ON banking.accounts FOR EACH ROW WHEN ((((old.account_type)::text = ''system''::text) OR ((new.account_type)::text = ''system''::text) OR (new.account_number ~~ ''SYS-%''::text))) EXECUTE FUNCTION banking.guard_system_account()'),
        ('accounts_log', 'A',
         'CREATE TRIGGER accounts_log AFTER INSERT OR UPDATE OF customer_id, account_number, account_type, account_status, currency_code, overdraft_limit, time_zone, opened_at, closed_at ON banking.accounts FOR EACH ROW EXECUTE FUNCTION banking.log_change()'),
        ('accounts_never_deleted', 'A',
         'CREATE TRIGGER accounts_never_deleted BEFORE DELETE OR TRUNCATE ON banking.accounts FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_account_change()'),
        ('accounts_open_empty', 'A',
         'CREATE TRIGGER accounts_open_empty BEFORE INSERT ON banking.accounts FOR EACH ROW WHEN ((((new.current_balance)::numeric <> (0)::numeric) OR ((new.held_balance)::numeric <> (0)::numeric) OR (new.last_entry_number <> 0) OR (new.last_entry_at IS NOT NULL))) EXECUTE FUNCTION banking.reject_account_change()'),
        ('accounts_valid_terms', 'A',
         'CREATE TRIGGER accounts_valid_terms BEFORE INSERT OR UPDATE OF account_type, account_status, customer_id, held_balance, overdraft_limit, time_zone, opened_at, closed_at ON banking.accounts FOR EACH ROW EXECUTE FUNCTION banking.check_account_terms()'),
        ('accounts_zone_is_open', 'A',
         'CREATE TRIGGER accounts_zone_is_open AFTER INSERT OR UPDATE OF time_zone ON banking.accounts FOR EACH ROW WHEN ((new.customer_id IS NOT NULL)) EXECUTE FUNCTION banking.check_zone()'),
        ('change_log_append_only', 'A',
         'CREATE TRIGGER change_log_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON banking.change_log FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change()'),
        ('change_log_follows_changes', 'A',
         'CREATE TRIGGER change_log_follows_changes BEFORE INSERT ON banking.change_log FOR EACH STATEMENT WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION banking.reject_journal_change()'),
        ('currencies_follow_closing', 'A',
         'CREATE TRIGGER currencies_follow_closing BEFORE UPDATE OF first_open_day ON banking.currencies FOR EACH STATEMENT WHEN (*) EXECUTE FUNCTION banking.reject_journal_change()'),
        ('customer_preferences_log', 'A',
         'CREATE TRIGGER customer_preferences_log AFTER INSERT OR DELETE OR UPDATE ON banking.customer_preferences FOR EACH ROW EXECUTE FUNCTION banking.log_change()'),
        ('customers_block_accounts', 'A',
         'CREATE TRIGGER customers_block_accounts AFTER UPDATE OF customer_status ON banking.customers FOR EACH ROW WHEN ((((old.customer_status)::text = ANY (ARRAY[''suspended''::text, ''closed''::text])) <> ((new.customer_status)::text = ANY (ARRAY[''suspended''::text, ''closed''::text])))) EXECUTE FUNCTION banking.block_accounts()'),
        ('customers_log', 'A',
         'CREATE TRIGGER customers_log AFTER INSERT OR DELETE OR UPDATE ON banking.customers FOR EACH ROW EXECUTE FUNCTION banking.log_change()'),
        ('customers_valid_terms', 'A',
         'CREATE TRIGGER customers_valid_terms BEFORE INSERT OR UPDATE OF first_name, last_name, email, phone_primary, phone_secondary, date_of_birth ON banking.customers FOR EACH ROW EXECUTE FUNCTION banking.check_customer()'),
        ('hold_events_append_only', 'A',
         'CREATE TRIGGER hold_events_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON banking.hold_events FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change()'),
        ('hold_events_follow_posting', 'A',
         'CREATE TRIGGER hold_events_follow_posting BEFORE INSERT ON banking.hold_events FOR EACH STATEMENT WHEN (*) EXECUTE FUNCTION banking.reject_journal_change()'),
        ('holds_follow_events', 'A',
         'CREATE TRIGGER holds_follow_events BEFORE INSERT OR UPDATE ON banking.holds FOR EACH STATEMENT WHEN (*) EXECUTE FUNCTION banking.reject_journal_change()'),
        ('holds_never_deleted', 'A',
         'CREATE TRIGGER holds_never_deleted BEFORE DELETE OR TRUNCATE ON banking.holds FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change()'),
        ('account_limits_log', 'A',
         'CREATE TRIGGER account_limits_log AFTER INSERT OR DELETE OR UPDATE ON banking.account_limits FOR EACH ROW EXECUTE FUNCTION banking.log_change()'),
        ('webhooks_log', 'A',
         'CREATE TRIGGER webhooks_log AFTER INSERT OR DELETE OR UPDATE ON banking.webhooks FOR EACH ROW EXECUTE FUNCTION banking.log_change()'),
        ('period_closings_append_only', 'A',
         'CREATE TRIGGER period_closings_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON banking.period_closings FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change()'),
        ('period_closings_follow_closing', 'A',
         'CREATE TRIGGER period_closings_follow_closing BEFORE INSERT ON banking.period_closings FOR EACH STATEMENT WHEN (*) EXECUTE FUNCTION banking.reject_journal_change()'),
        ('seals_append_only', 'A',
         'CREATE TRIGGER seals_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON banking.seals FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change()'),
        ('transactions_append_only', 'A',
         'CREATE TRIGGER transactions_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON banking.transactions FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change()'),
        ('transactions_apply_entries', 'O',
         'CREATE TRIGGER transactions_apply_entries AFTER INSERT ON banking.transactions REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT WHEN (*) EXECUTE FUNCTION banking.apply_entries()'),
        ('transfers_append_only', 'A',
         'CREATE TRIGGER transfers_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON banking.transfers FOR EACH STATEMENT EXECUTE FUNCTION banking.reject_journal_change()'),
        ('transfers_name_accounts', 'O',
         'CREATE TRIGGER transfers_name_accounts AFTER INSERT ON banking.transfers REFERENCING NEW TABLE AS new_transfers FOR EACH STATEMENT WHEN (*) EXECUTE FUNCTION banking.check_transfers()')
    ) AS guard (name, enabled, definition)
    LEFT JOIN LATERAL (
        SELECT trigger.oid, trigger.tgenabled FROM pg_trigger AS trigger
        WHERE trigger.tgname = guard.name AND NOT trigger.tgisinternal
          AND trigger.tgrelid = to_regclass(substring(guard.definition FROM ' ON (banking[.][a-z_]+) '))
    ) AS found ON true
    WHERE found.oid IS NULL OR found.tgenabled NOT IN ('A', guard.enabled)
       -- WHEN (*) stands for a condition on the posting functions' setting, which is not compared.
       OR CASE WHEN strpos(guard.definition, ' WHEN (*) ') > 0
               THEN regexp_replace(pg_get_triggerdef(found.oid), ' WHEN [(].*[)] EXECUTE ', ' WHEN (*) EXECUTE ')
               ELSE pg_get_triggerdef(found.oid) END <> guard.definition
    UNION ALL
    SELECT 'guard is in place', constraint_of.name,
           coalesce('the constraint is another one: ' || pg_get_constraintdef(found.oid), 'the constraint is missing')
    FROM (VALUES
        ('banking.accounts', 'accounts_account_number_key',
         'UNIQUE (account_number)'),
        ('banking.accounts', 'accounts_closed_at_zero',
         'CHECK ((((account_status)::text <> ''closed''::text) OR (((current_balance)::numeric = (0)::numeric) AND ((held_balance)::numeric = (0)::numeric))))'),
        ('banking.accounts', 'accounts_currency_fkey',
         'FOREIGN KEY (currency_code, minor_units) REFERENCES banking.currencies(currency_code, minor_units)'),
        ('banking.accounts', 'accounts_customer_id_fkey',
         'FOREIGN KEY (customer_id) REFERENCES banking.customers(customer_id)'),
        ('banking.accounts', 'accounts_decimals_fit_currency',
         'CHECK ((((current_balance)::numeric = round((current_balance)::numeric, (minor_units)::integer)) AND ((held_balance)::numeric = round((held_balance)::numeric, (minor_units)::integer)) AND ((overdraft_limit)::numeric = round((overdraft_limit)::numeric, (minor_units)::integer))))'),
        ('banking.accounts', 'accounts_pkey',
         'PRIMARY KEY (account_id)'),
        ('banking.accounts', 'accounts_within_limit',
         'CHECK (((available_balance >= (0)::numeric) AND (available_balance < (''1000000000000000000''::bigint)::numeric)))'),
        ('banking.amount', 'amount_is_valid',
         'CHECK (((VALUE > (0)::numeric) AND (VALUE < (''1000000000000000000''::bigint)::numeric) AND (scale(VALUE) <= 4)))'),
        ('banking.balance', 'balance_is_valid',
         'CHECK (((VALUE > (''-1000000000000000000''::bigint)::numeric) AND (VALUE < (''1000000000000000000''::bigint)::numeric) AND (scale(VALUE) <= 4)))'),
        ('banking.entry_description', 'entry_description_length',
         'CHECK ((octet_length(VALUE) <= 4000))'),
        ('banking.transactions', 'transactions_entry_number_positive',
         'CHECK ((entry_number > 0))'),
        ('banking.transactions', 'transactions_pkey',
         'PRIMARY KEY (transaction_id)'),
        ('banking.entry_type', 'entry_type_is_known',
         'CHECK ((VALUE = ANY (ARRAY[''debit''::text, ''credit''::text])))'),
        ('banking.transfers', 'transfers_accounts_differ',
         'CHECK ((from_account_id <> to_account_id))'),
        ('banking.transfers', 'transfers_description_length',
         'CHECK ((length(description) <= 500))'),
        ('banking.transfers', 'transfers_idempotency_key_length',
         'CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255)))'),
        ('banking.transfers', 'transfers_key_has_a_hash',
         'CHECK (((idempotency_key IS NULL) = (request_hash IS NULL)))'),
        ('banking.transfers', 'transfers_pkey',
         'PRIMARY KEY (transfer_id)'),
        ('banking.transfers', 'transfers_request_hash_length',
         'CHECK ((octet_length(request_hash) = 32))'),
        ('banking.transfer_type', 'transfer_type_is_known',
         'CHECK ((VALUE = ANY (ARRAY[''transfer''::text, ''deposit''::text, ''withdrawal''::text, ''interest''::text, ''fee''::text, ''adjustment''::text, ''reversal''::text, ''journal_entry''::text, ''exchange''::text]))) NOT VALID')
    ) AS constraint_of (owner, name, definition)
    LEFT JOIN pg_constraint AS found
        ON found.conname = constraint_of.name AND found.connamespace = to_regnamespace('banking')
        AND (found.conrelid = to_regclass(constraint_of.owner)
             OR found.contypid = to_regtype(constraint_of.owner) AND found.contypid <> 0)
    WHERE found.oid IS NULL OR pg_get_constraintdef(found.oid) <> constraint_of.definition
    UNION ALL
    SELECT 'guard is in place', unique_index.name, 'the unique index is missing or invalid'
    FROM (VALUES ('transfers_idempotency_key_key'), ('transactions_account_and_date_key'),
                 ('hold_events_idempotency_key_key'), ('hold_events_hold_id_key'), ('hold_events_transfer_id_key')) AS unique_index (name)
    WHERE NOT EXISTS (
        SELECT FROM pg_index AS index
        WHERE index.indexrelid = to_regclass('banking.' || unique_index.name)
          AND index.indisunique AND index.indisvalid AND index.indisready
    )
    UNION ALL
    -- A trigger, rule, policy or inheriting table that the schema does not contain can change or hide
    -- rows.
    SELECT 'table has nothing foreign', relation.relname || ': ' || foreign_one.name, foreign_one.kind
    FROM pg_class AS relation
    CROSS JOIN LATERAL (
        SELECT trigger.tgname::text, 'a trigger that is not the schema''s'
        FROM pg_trigger AS trigger
        WHERE trigger.tgrelid = relation.oid AND NOT trigger.tgisinternal
          AND trigger.tgname NOT IN ('account_limits_log', 'accounts_balance_follows_journal', 'accounts_follow_customer', 'accounts_guard_closed', 'accounts_guard_system_insert', 'accounts_guard_system_update', 'accounts_log', 'accounts_never_deleted', 'accounts_open_empty', 'accounts_valid_terms', 'accounts_zone_is_open', 'change_log_append_only', 'change_log_follows_changes', 'currencies_follow_closing', 'customer_preferences_log', 'customers_block_accounts', 'customers_log', 'customers_valid_terms', 'hold_events_append_only', 'hold_events_follow_posting', 'holds_follow_events', 'holds_never_deleted', 'period_closings_append_only', 'period_closings_follow_closing', 'seals_append_only', 'transactions_append_only', 'transactions_apply_entries', 'transfers_append_only', 'transfers_name_accounts', 'webhooks_log',
                                     'accounts_touch', 'customer_preferences_touch', 'customers_touch')
        UNION ALL
        SELECT rule.rulename::text, 'a rule' FROM pg_rewrite AS rule WHERE rule.ev_class = relation.oid
        UNION ALL
        SELECT 'row security', 'rows may be hidden' WHERE relation.relrowsecurity OR relation.relforcerowsecurity
        UNION ALL
        SELECT child.inhrelid::regclass::text, 'a table that inherits from it'
        FROM pg_inherits AS child WHERE child.inhparent = relation.oid
    ) AS foreign_one (name, kind)
    WHERE relation.oid IN (to_regclass('banking.accounts'), to_regclass('banking.transfers'),
                           to_regclass('banking.transactions'), to_regclass('banking.customers'),
                           to_regclass('banking.holds'), to_regclass('banking.hold_events'),
                           to_regclass('banking.seals'),
                           to_regclass('banking.customer_preferences'), to_regclass('banking.change_log'), to_regclass('banking.currencies'),
                           to_regclass('banking.period_closings'), to_regclass('banking.account_limits'),
                           to_regclass('banking.webhooks'))
    UNION ALL
    SELECT 'only the owner may change it', format('banking.%s', granted.relname), format('%s has %s on %s',
               CASE granted.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(granted.grantee) END,
               granted.privilege_type, coalesce(granted.column_name, 'the table'))
    FROM (
        SELECT relation.relname, relation.relowner, NULL::text AS column_name, acl.grantee, acl.privilege_type
        FROM pg_class AS relation CROSS JOIN LATERAL aclexplode(relation.relacl) AS acl
        WHERE relation.relnamespace = to_regnamespace('banking') AND relation.relkind IN ('r', 'p')
        UNION ALL
        SELECT relation.relname, relation.relowner, attribute.attname::text, acl.grantee, acl.privilege_type
        FROM pg_class AS relation
        JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid
        CROSS JOIN LATERAL aclexplode(attribute.attacl) AS acl
        WHERE relation.relnamespace = to_regnamespace('banking') AND relation.relkind IN ('r', 'p')
    ) AS granted
    WHERE granted.grantee <> granted.relowner AND granted.privilege_type <> 'SELECT'
      AND (
          granted.privilege_type NOT IN ('INSERT', 'UPDATE')
          OR granted.column_name IS NULL
          OR granted.relname NOT IN ('customers', 'accounts', 'customer_preferences')
          OR granted.column_name IN ('current_balance', 'held_balance', 'last_entry_number', 'last_entry_at', 'version',
                                     'created_at', 'updated_at')
          -- neobank_import may set these columns, but only when it inserts the row.
          OR granted.column_name IN ('customer_number', 'account_number', 'opened_at')
             AND (granted.privilege_type <> 'INSERT' OR granted.grantee IS DISTINCT FROM to_regrole('neobank_import')::oid)
      )
    UNION ALL
    SELECT 'only the owner may change it', object.name, format('belongs to %s, the schema to %s',
               pg_get_userbyid(object.owner), pg_get_userbyid(namespace.nspowner))
    FROM pg_namespace AS namespace
    CROSS JOIN LATERAL (
        SELECT relation.oid::regclass::text, relation.relowner FROM pg_class AS relation
        WHERE relation.relnamespace = namespace.oid AND relation.relkind IN ('r', 'p', 'S', 'v', 'm')
        UNION ALL
        SELECT function.oid::regprocedure::text, function.proowner FROM pg_proc AS function
        WHERE function.pronamespace = namespace.oid
    ) AS object (name, owner)
    WHERE namespace.nspname = 'banking' AND object.owner <> namespace.nspowner
    UNION ALL
    SELECT 'function is not for everyone', function.oid::regprocedure::text, 'PUBLIC may execute it'
    FROM pg_proc AS function
    CROSS JOIN LATERAL aclexplode(coalesce(function.proacl, acldefault('f', function.proowner))) AS acl
    WHERE function.pronamespace = to_regnamespace('banking') AND acl.grantee = 0
    UNION ALL
    SELECT 'guards fire in every session', coalesce(nullif(setting.setrole, 0)::regrole::text, 'every role'), setting.value
    FROM (SELECT setrole, unnest(setconfig) AS value FROM pg_db_role_setting
          WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))) AS setting
    WHERE setting.value LIKE 'session_replication_role=%' AND setting.value <> 'session_replication_role=origin'
    UNION ALL
    SELECT 'guards fire in every session', 'this session',
           'session_replication_role=' || current_setting('session_replication_role')
    WHERE current_setting('session_replication_role') NOT IN ('origin', 'local')
$$;
REVOKE ALL ON FUNCTION banking.audit_guards() FROM PUBLIC;
