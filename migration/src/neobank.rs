//! The bank's own schema: the list of its files. Objects are in the order of their dependencies.

use crate::schema::{Object, Schema, SqlMigration};

macro_rules! migration {
    ($name:literal) => {
        SqlMigration::new(
            $name,
            include_str!(concat!("../sql/migrations/", $name, "/up.sql")),
            include_str!(concat!("../sql/migrations/", $name, "/down.sql")),
        )
    };
}

macro_rules! object {
    ($name:literal since $since:literal, $drop:literal) => {
        Object::new(
            $name,
            $since,
            include_str!(concat!("../sql/objects/", $name, ".sql")),
            $drop,
        )
    };
}

/// Returns the schema of this version.
#[must_use]
pub fn schema() -> Schema {
    Schema {
        names: vec!["banking", "pooling", "concurrency"],
        migrations: vec![
            migration!("m20261123_000001_schemas"),
            migration!("m20261123_000002_banking"),
            migration!("m20261123_000003_pooling"),
            migration!("m20261123_000004_concurrency"),
            migration!("m20261123_000005_locks"),
            migration!("m20261123_000006_transaction_outcomes"),
            migration!("m20261123_000007_database_privileges"),
            migration!("m20261129_000008_renames"),
            migration!("m20261129_000009_transfer_attributes"),
            migration!("m20261129_000010_transfer_attribute_indexes").without_transaction(),
            migration!("m20261129_000011_holds"),
            migration!("m20261130_000012_seals"),
            migration!("m20261130_000013_transaction_number_indexes").without_transaction(),
            migration!("m20261130_000014_change_log"),
            migration!("m20261130_000015_value_date_indexes").without_transaction(),
            migration!("m20261130_000016_periods"),
            migration!("m20261130_000017_api_keys"),
            migration!("m20261130_000018_account_limits"),
            migration!("m20261130_000019_number_summaries"),
            migration!("m20261130_000020_webhooks"),
        ],
        objects: objects(),
        catalogue: Some(include_str!("../sql/catalogue.txt")),
    }
}

#[rustfmt::skip]
fn objects() -> Vec<Object> {
    vec![
        // An earlier version without this function drops it before it creates the triggers again.
        object!("banking/function_reject_journal_change" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.reject_journal_change() CASCADE"),
        object!("banking/trigger_transfers_append_only" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS transfers_append_only ON banking.transfers"),
        object!("banking/trigger_transactions_append_only" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS transactions_append_only ON banking.transactions"),
        object!("banking/function_reject_account_change" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.reject_account_change() CASCADE"),
        object!("banking/trigger_accounts_balance_follows_journal" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS accounts_balance_follows_journal ON banking.accounts"),
        object!("banking/trigger_accounts_open_empty" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS accounts_open_empty ON banking.accounts"),
        object!("banking/trigger_accounts_never_deleted" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS accounts_never_deleted ON banking.accounts"),
        object!("banking/function_system_account_id" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.system_account_id(text, text)"),
        object!("banking/function_is_system_account" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.is_system_account(uuid, text, text, text, uuid, numeric)"),
        object!("banking/function_guard_system_account" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.guard_system_account()"),
        object!("banking/trigger_accounts_guard_system_insert" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS accounts_guard_system_insert ON banking.accounts"),
        object!("banking/trigger_accounts_guard_system_update" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS accounts_guard_system_update ON banking.accounts"),
        object!("banking/function_touch_account" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.touch_account()"),
        object!("banking/trigger_accounts_touch" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS accounts_touch ON banking.accounts"),
        object!("banking/function_touch_customer" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.touch_customer()"),
        object!("banking/trigger_customers_touch" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS customers_touch ON banking.customers"),
        object!("banking/function_block_accounts" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.block_accounts()"),
        object!("banking/trigger_customers_block_accounts" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS customers_block_accounts ON banking.customers"),
        object!("banking/function_follow_customer" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.follow_customer()"),
        object!("banking/trigger_accounts_follow_customer" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS accounts_follow_customer ON banking.accounts"),
        object!("banking/function_guard_closed_account" since "m20261130_000014_change_log",
            "DROP FUNCTION IF EXISTS banking.guard_closed_account() CASCADE"),
        object!("banking/trigger_accounts_guard_closed" since "m20261130_000014_change_log",
            "DROP TRIGGER IF EXISTS accounts_guard_closed ON banking.accounts"),
        object!("banking/function_require_actor" since "m20261130_000014_change_log",
            "DROP FUNCTION IF EXISTS banking.require_actor(text, text)"),
        object!("banking/function_reopen_account" since "m20261130_000014_change_log",
            "DROP FUNCTION IF EXISTS banking.reopen_account(uuid)"),
        object!("banking/function_log_change" since "m20261130_000014_change_log",
            "DROP FUNCTION IF EXISTS banking.log_change() CASCADE"),
        object!("banking/trigger_accounts_log" since "m20261130_000014_change_log",
            "DROP TRIGGER IF EXISTS accounts_log ON banking.accounts"),
        object!("banking/trigger_customers_log" since "m20261130_000014_change_log",
            "DROP TRIGGER IF EXISTS customers_log ON banking.customers"),
        object!("banking/trigger_customer_preferences_log" since "m20261130_000014_change_log",
            "DROP TRIGGER IF EXISTS customer_preferences_log ON banking.customer_preferences"),
        object!("banking/trigger_account_limits_log" since "m20261130_000018_account_limits",
            "DROP TRIGGER IF EXISTS account_limits_log ON banking.account_limits"),
        object!("banking/trigger_webhooks_log" since "m20261130_000020_webhooks",
            "DROP TRIGGER IF EXISTS webhooks_log ON banking.webhooks"),
        object!("banking/trigger_change_log_append_only" since "m20261130_000014_change_log",
            "DROP TRIGGER IF EXISTS change_log_append_only ON banking.change_log"),
        object!("banking/trigger_change_log_follows_changes" since "m20261130_000014_change_log",
            "DROP TRIGGER IF EXISTS change_log_follows_changes ON banking.change_log"),
        object!("banking/function_check_customer" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.check_customer()"),
        object!("banking/trigger_customers_valid_terms" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS customers_valid_terms ON banking.customers"),
        object!("banking/trigger_customer_preferences_touch" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS customer_preferences_touch ON banking.customer_preferences"),
        object!("banking/function_start_posting" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.start_posting"),
        object!("banking/function_end_posting" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.end_posting"),
        object!("banking/function_compose_transfers" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.compose_transfers"),
        object!("banking/function_compose_attributes" since "m20261129_000009_transfer_attributes",
            "DROP FUNCTION IF EXISTS banking.compose_attributes"),
        object!("banking/function_validate_reversals" since "m20261129_000009_transfer_attributes",
            "DROP FUNCTION IF EXISTS banking.validate_reversals(uuid[])"),
        object!("banking/function_insert_journal" since "m20261129_000009_transfer_attributes",
            "DROP ROUTINE IF EXISTS banking.insert_journal"),
        object!("banking/function_apply_balances" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.apply_balances"),
        object!("banking/trigger_hold_events_append_only" since "m20261129_000011_holds",
            "DROP TRIGGER IF EXISTS hold_events_append_only ON banking.hold_events"),
        object!("banking/trigger_hold_events_follow_posting" since "m20261129_000011_holds",
            "DROP TRIGGER IF EXISTS hold_events_follow_posting ON banking.hold_events"),
        object!("banking/trigger_holds_follow_events" since "m20261129_000011_holds",
            "DROP TRIGGER IF EXISTS holds_follow_events ON banking.holds"),
        object!("banking/trigger_holds_never_deleted" since "m20261129_000011_holds",
            "DROP TRIGGER IF EXISTS holds_never_deleted ON banking.holds"),
        object!("banking/function_compose_hold_events" since "m20261129_000011_holds",
            "DROP FUNCTION IF EXISTS banking.compose_hold_events"),
        object!("banking/function_apply_balances_and_holds" since "m20261129_000011_holds",
            "DROP ROUTINE IF EXISTS banking.apply_balances_and_holds"),
        object!("banking/function_insert_hold_events" since "m20261129_000011_holds",
            "DROP ROUTINE IF EXISTS banking.insert_hold_events"),
        object!("banking/function_require_captures" since "m20261129_000011_holds",
            "DROP FUNCTION IF EXISTS banking.require_captures(uuid[])"),
        object!("banking/function_expire_due_holds" since "m20261129_000011_holds",
            "DROP FUNCTION IF EXISTS banking.expire_due_holds(uuid)"),
        object!("banking/function_available_balance" since "m20261129_000011_holds",
            "DROP FUNCTION IF EXISTS banking.available_balance(uuid)"),
        object!("banking/function_validate_read_set" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.validate_read_set"),
        object!("banking/function_await_predecessor_start" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.await_predecessor_start"),
        object!("banking/function_await_predecessor" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.await_predecessor"),
        object!("banking/function_start_of_day" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.start_of_day(date, text)"),
        object!("banking/trigger_period_closings_append_only" since "m20261130_000016_periods",
            "DROP TRIGGER IF EXISTS period_closings_append_only ON banking.period_closings"),
        object!("banking/trigger_period_closings_follow_closing" since "m20261130_000016_periods",
            "DROP TRIGGER IF EXISTS period_closings_follow_closing ON banking.period_closings"),
        object!("banking/trigger_currencies_follow_closing" since "m20261130_000016_periods",
            "DROP TRIGGER IF EXISTS currencies_follow_closing ON banking.currencies"),
        object!("banking/function_booking_end" since "m20261130_000016_periods",
            "DROP FUNCTION IF EXISTS banking.booking_end(text, date)"),
        object!("banking/function_close_period" since "m20261130_000016_periods",
            "DROP FUNCTION IF EXISTS banking.close_period(text, date)"),
        object!("banking/function_reopen_period" since "m20261130_000016_periods",
            "DROP FUNCTION IF EXISTS banking.reopen_period(text)"),
        object!("banking/function_lock_open_days" since "m20261130_000016_periods",
            "DROP FUNCTION IF EXISTS banking.lock_open_days(uuid[])"),
        object!("banking/function_require_open_days" since "m20261130_000016_periods",
            "DROP FUNCTION IF EXISTS banking.require_open_days"),
        object!("banking/function_check_zone" since "m20261130_000016_periods",
            "DROP FUNCTION IF EXISTS banking.check_zone() CASCADE"),
        object!("banking/trigger_accounts_zone_is_open" since "m20261130_000016_periods",
            "DROP TRIGGER IF EXISTS accounts_zone_is_open ON banking.accounts"),
        object!("banking/function_limit_window_start" since "m20261130_000018_account_limits",
            "DROP FUNCTION IF EXISTS banking.limit_window_start(text, integer, timestamptz, text)"),
        object!("banking/function_limit_counts" since "m20261130_000018_account_limits",
            "DROP FUNCTION IF EXISTS banking.limit_counts(text, text)"),
        object!("banking/function_limit_use" since "m20261130_000018_account_limits",
            "DROP FUNCTION IF EXISTS banking.limit_use(uuid, text, text, timestamptz, bigint)"),
        object!("banking/function_limit_uses" since "m20261130_000018_account_limits",
            "DROP FUNCTION IF EXISTS banking.limit_uses(uuid[], timestamptz)"),
        object!("banking/function_require_limits" since "m20261130_000018_account_limits",
            "DROP FUNCTION IF EXISTS banking.require_limits(banking.new_transfer[])"),
        object!("banking/function_set_account_limit" since "m20261130_000018_account_limits",
            "DROP FUNCTION IF EXISTS banking.set_account_limit(uuid, text, text, numeric, text, integer)"),
        object!("banking/function_remove_account_limit" since "m20261130_000018_account_limits",
            "DROP FUNCTION IF EXISTS banking.remove_account_limit(uuid, text, text, text, integer)"),
        object!("banking/function_apply_entries" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.apply_entries()"),
        object!("banking/trigger_transactions_apply_entries" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS transactions_apply_entries ON banking.transactions"),
        object!("banking/function_post_transfers" since "m20261129_000009_transfer_attributes",
            "DROP ROUTINE IF EXISTS banking.post_transfers"),
        object!("banking/function_post_transfers_optimistic" since "m20261129_000009_transfer_attributes",
            "DROP FUNCTION IF EXISTS banking.post_transfers_optimistic"),
        object!("banking/function_post_transfers_pipelined" since "m20261129_000009_transfer_attributes",
            "DROP FUNCTION IF EXISTS banking.post_transfers_pipelined"),
        object!("banking/function_post_unless_rejected" since "m20261129_000009_transfer_attributes",
            "DROP ROUTINE IF EXISTS banking.post_unless_rejected"),
        object!("banking/function_uuid_v7" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.uuid_v7()"),
        object!("banking/function_open_system_accounts" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.open_system_accounts(text)"),
        object!("banking/function_update_account_optimistic" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.update_account_optimistic(uuid, numeric, bigint)"),
        object!("banking/function_require_entries" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.require_entries()"),
        object!("banking/trigger_unfinished_transfers_have_entries" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS unfinished_transfers_have_entries ON banking.unfinished_transfers"),
        object!("banking/function_check_transfers" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.check_transfers()"),
        object!("banking/trigger_transfers_name_accounts" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS transfers_name_accounts ON banking.transfers"),
        object!("banking/function_check_account_terms" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.check_account_terms()"),
        object!("banking/trigger_accounts_valid_terms" since "m20261123_000002_banking",
            "DROP TRIGGER IF EXISTS accounts_valid_terms ON banking.accounts"),
        object!("banking/trigger_seals_append_only" since "m20261130_000012_seals",
            "DROP TRIGGER IF EXISTS seals_append_only ON banking.seals"),
        object!("banking/function_hash_records" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.hash_records(bytea, bytea)"),
        object!("banking/function_seal_head" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.seal_head"),
        object!("banking/function_order_records" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.order_records(text[], uuid[])"),
        object!("banking/function_write_seals" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.write_seals"),
        object!("banking/function_summarise_transaction_numbers" since "m20261130_000013_transaction_number_indexes",
            "DROP FUNCTION IF EXISTS banking.summarise_transaction_numbers()"),
        object!("banking/function_seal" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.seal(integer)"),
        object!("banking/function_resume_sealing" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.resume_sealing()"),
        object!("banking/function_verify_seals" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.verify_seals(bigint, bigint)"),
        object!("banking/function_verify_coverage" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.verify_coverage()"),
        object!("banking/function_verify_chain" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.verify_chain()"),
        object!("banking/function_sealing_lag" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.sealing_lag()"),
        object!("banking/function_consumer_lags" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.consumer_lags()"),
        object!("banking/function_read_events" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.read_events(bigint, integer)"),
        object!("banking/function_advance_consumer" since "m20261130_000012_seals",
            "DROP FUNCTION IF EXISTS banking.advance_consumer(text, bigint, bigint)"),
        object!("banking/function_create_api_key" since "m20261130_000017_api_keys",
            "DROP FUNCTION IF EXISTS banking.create_api_key(uuid, text, text, bytea, text, uuid[], uuid[], timestamptz)"),
        object!("banking/function_revoke_api_key" since "m20261130_000017_api_keys",
            "DROP FUNCTION IF EXISTS banking.revoke_api_key(uuid)"),
        object!("banking/function_note_api_key_use" since "m20261130_000017_api_keys",
            "DROP FUNCTION IF EXISTS banking.note_api_key_use(uuid)"),
        object!("banking/function_create_webhook" since "m20261130_000020_webhooks",
            "DROP FUNCTION IF EXISTS banking.create_webhook(uuid, text, text, text, integer, bytea, bigint)"),
        object!("banking/function_update_webhook" since "m20261130_000020_webhooks",
            "DROP FUNCTION IF EXISTS banking.update_webhook(uuid, text, text, text, integer, boolean, text)"),
        object!("banking/function_rotate_webhook_secret" since "m20261130_000020_webhooks",
            "DROP FUNCTION IF EXISTS banking.rotate_webhook_secret(uuid, bytea, integer)"),
        object!("banking/function_read_webhook_secrets" since "m20261130_000020_webhooks",
            "DROP FUNCTION IF EXISTS banking.read_webhook_secrets(uuid)"),
        object!("banking/function_replay_webhook" since "m20261130_000020_webhooks",
            "DROP FUNCTION IF EXISTS banking.replay_webhook(uuid, bigint)"),
        object!("banking/function_delete_webhook" since "m20261130_000020_webhooks",
            "DROP FUNCTION IF EXISTS banking.delete_webhook(uuid)"),
        object!("banking/function_advance_webhook" since "m20261130_000020_webhooks",
            "DROP FUNCTION IF EXISTS banking.advance_webhook(uuid, bigint, bigint, boolean)"),
        object!("banking/function_note_webhook_failure" since "m20261130_000020_webhooks",
            "DROP FUNCTION IF EXISTS banking.note_webhook_failure(uuid, bigint, bigint, text, double precision, integer)"),
        object!("banking/function_redeliver_webhook_event" since "m20261130_000020_webhooks",
            "DROP FUNCTION IF EXISTS banking.redeliver_webhook_event(uuid, bigint)"),
        object!("banking/function_end_webhook_redelivery" since "m20261130_000020_webhooks",
            "DROP FUNCTION IF EXISTS banking.end_webhook_redelivery(uuid, bigint, integer, text)"),
        object!("banking/function_webhook_states" since "m20261130_000020_webhooks",
            "DROP FUNCTION IF EXISTS banking.webhook_states(uuid)"),
        object!("banking/function_audit_guards" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.audit_guards()"),
        object!("banking/function_audit" since "m20261123_000002_banking",
            "DROP FUNCTION IF EXISTS banking.audit()"),
        object!("banking/grants" since "m20261130_000020_webhooks",
            "REVOKE ALL ON ALL TABLES IN SCHEMA banking FROM neobank_app, neobank_read, neobank_import; REVOKE ALL ON ALL SEQUENCES IN SCHEMA banking FROM neobank_app, neobank_import; REVOKE ALL ON ALL FUNCTIONS IN SCHEMA banking FROM neobank_app, neobank_read, neobank_import, pg_monitor; REVOKE USAGE ON SCHEMA banking FROM pg_monitor"),
        object!("pooling/grants" since "m20261123_000003_pooling",
            "REVOKE ALL ON ALL TABLES IN SCHEMA pooling FROM neobank_app, neobank_read"),
        object!("pooling/function_calculate_pool_size" since "m20261123_000003_pooling",
            "DROP FUNCTION IF EXISTS pooling.calculate_pool_size"),
        object!("pooling/function_generate_pgbouncer_config" since "m20261123_000003_pooling",
            "DROP FUNCTION IF EXISTS pooling.generate_pgbouncer_config(jsonb)"),
        object!("pooling/grants_pooler" since "m20261123_000003_pooling",
            "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pooling FROM neobank_app, neobank_read"),
        object!("concurrency/grants" since "m20261123_000004_concurrency",
            "REVOKE ALL ON ALL TABLES IN SCHEMA concurrency FROM neobank_app, neobank_read"),
        object!("concurrency/function_lock_key" since "m20261123_000005_locks",
            "DROP FUNCTION IF EXISTS concurrency.lock_key(text, text)"),
        object!("concurrency/view_v_held_locks" since "m20261123_000005_locks",
            "DROP VIEW IF EXISTS concurrency.v_held_locks"),
        object!("concurrency/function_take_locks" since "m20261123_000005_locks",
            "DROP FUNCTION IF EXISTS concurrency.take_locks(text[], text[], integer, boolean)"),
        object!("concurrency/function_delete_lock_names" since "m20261123_000005_locks",
            "DROP FUNCTION IF EXISTS concurrency.delete_lock_names(double precision, integer)"),
        object!("concurrency/function_check_fencing_token" since "m20261123_000005_locks",
            "DROP FUNCTION IF EXISTS concurrency.check_fencing_token(text, text)"),
        object!("concurrency/function_lease_holder" since "m20261123_000005_locks",
            "DROP FUNCTION IF EXISTS concurrency.lease_holder(uuid)"),
        object!("concurrency/function_acquire_lease" since "m20261123_000005_locks",
            "DROP FUNCTION IF EXISTS concurrency.acquire_lease(text, text, uuid, integer, integer)"),
        object!("concurrency/function_renew_lease" since "m20261123_000005_locks",
            "DROP FUNCTION IF EXISTS concurrency.renew_lease(text, text, uuid, bigint, integer)"),
        object!("concurrency/function_release_lease" since "m20261123_000005_locks",
            "DROP FUNCTION IF EXISTS concurrency.release_lease(text, text, uuid, bigint)"),
        object!("concurrency/function_delete_commit_records" since "m20261129_000008_renames",
            "DROP FUNCTION IF EXISTS concurrency.delete_commit_records(double precision, integer)"),
        object!("concurrency/function_demonstrate_isolation_levels" since "m20261123_000004_concurrency",
            "DROP FUNCTION IF EXISTS concurrency.demonstrate_isolation_levels()"),
        object!("concurrency/function_acquire_customer_lock" since "m20261123_000005_locks",
            "DROP FUNCTION IF EXISTS concurrency.acquire_customer_lock(uuid, integer)"),
        object!("concurrency/function_release_customer_lock" since "m20261123_000005_locks",
            "DROP FUNCTION IF EXISTS concurrency.release_customer_lock(uuid)"),
        object!("concurrency/grants_locks" since "m20261123_000005_locks",
            "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA concurrency FROM neobank_app, neobank_read"),
        object!("concurrency/grants_commit_records" since "m20261129_000008_renames",
            "REVOKE ALL ON concurrency.commit_records FROM neobank_app, neobank_read"),
        object!("concurrency/function_analyse_locks" since "m20261123_000005_locks",
            "DROP FUNCTION IF EXISTS concurrency.analyse_locks()"),
        object!("concurrency/view_v_lock_analysis" since "m20261123_000005_locks",
            "DROP VIEW IF EXISTS concurrency.v_lock_analysis"),
        object!("concurrency/function_detect_deadlock_risk" since "m20261123_000005_locks",
            "DROP FUNCTION IF EXISTS concurrency.detect_deadlock_risk()"),
        object!("concurrency/grants_ops" since "m20261123_000005_locks",
            "REVOKE ALL ON concurrency.v_lock_analysis FROM neobank_app, neobank_read"),
        object!("concurrency/function_table_bloat" since "m20261123_000004_concurrency",
            "DROP FUNCTION IF EXISTS concurrency.table_bloat(text[])"),
        object!("concurrency/view_v_table_bloat" since "m20261123_000004_concurrency",
            "DROP VIEW IF EXISTS concurrency.v_table_bloat"),
        object!("concurrency/function_index_bloat" since "m20261123_000004_concurrency",
            "DROP FUNCTION IF EXISTS concurrency.index_bloat(text[])"),
        object!("concurrency/view_v_index_bloat" since "m20261123_000004_concurrency",
            "DROP VIEW IF EXISTS concurrency.v_index_bloat"),
        object!("concurrency/grants_bloat" since "m20261123_000004_concurrency",
            "REVOKE ALL ON concurrency.v_table_bloat, concurrency.v_index_bloat FROM neobank_app, neobank_read; REVOKE ALL ON FUNCTION concurrency.table_bloat(text[]), concurrency.index_bloat(text[]) FROM neobank_app, neobank_read"),
        object!("concurrency/function_show_mvcc_info" since "m20261123_000004_concurrency",
            "DROP FUNCTION IF EXISTS concurrency.show_mvcc_info(text, bigint, integer)"),
        object!("concurrency/grants_mvcc" since "m20261123_000004_concurrency",
            "REVOKE ALL ON FUNCTION concurrency.show_mvcc_info(text, bigint, integer), concurrency.demonstrate_isolation_levels() FROM neobank_app, neobank_read"),
        object!("pooling/view_v_connection_analysis" since "m20261123_000003_pooling",
            "DROP VIEW IF EXISTS pooling.v_connection_analysis"),
        object!("pooling/view_v_idle_connections" since "m20261123_000003_pooling",
            "DROP VIEW IF EXISTS pooling.v_idle_connections"),
        object!("pooling/function_check_pool_health" since "m20261123_000003_pooling",
            "DROP FUNCTION IF EXISTS pooling.check_pool_health(double precision, bigint, bigint, bigint, bigint, double precision, bigint, bigint, bigint, bigint, bigint, double precision, double precision)"),
        object!("pooling/grants_ops" since "m20261123_000003_pooling",
            "REVOKE ALL ON pooling.v_connection_analysis, pooling.v_idle_connections FROM neobank_app, neobank_read"),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::schema::normalised;

    #[test]
    fn every_file_is_in_the_list() {
        let listed: BTreeSet<String> = schema()
            .objects
            .iter()
            .map(|object| format!("{}.sql", object.name))
            .collect();
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/objects");
        let mut found = BTreeSet::new();
        for folder in std::fs::read_dir(root).unwrap() {
            let folder = folder.unwrap();
            for file in std::fs::read_dir(folder.path()).unwrap() {
                let schema = folder.file_name().into_string().unwrap();
                found.insert(format!(
                    "{schema}/{}",
                    file.unwrap().file_name().into_string().unwrap()
                ));
            }
        }
        assert_eq!(listed, found);
    }

    /// One line for each file, in the form of `sha256sum`; lines that begin with `#` are comments.
    const RELEASED: &str = include_str!("../sql/migrations/checksums.txt");

    #[test]
    fn released_migrations_are_not_edited() {
        let lines = normalised(RELEASED);
        let released: Vec<&str> = lines
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        let found: Vec<String> = schema().migrations.iter().flat_map(checksums).collect();
        for line in &found {
            let file = line.rsplit(' ').next().unwrap();
            let edited = released.iter().any(|line| line.ends_with(file));
            assert!(
                released.contains(&line.as_str()),
                "{}\n{line}",
                if edited {
                    "a migration was edited: restore it, and write a new one"
                } else {
                    "a new migration: add its line to checksums.txt, and change no other"
                }
            );
        }
        assert_eq!(released, found, "a migration was removed or moved");
    }

    #[test]
    fn migrations_are_numbered_without_gaps() {
        for (index, migration) in schema().migrations.iter().enumerate() {
            let number = migration.name.split('_').nth(1).unwrap();
            assert_eq!(number, format!("{:06}", index + 1), "{}", migration.name);
        }
    }

    /// Returns a migration's lines of the list.
    fn checksums(migration: &SqlMigration) -> [String; 2] {
        [("up", migration.up), ("down", migration.down)].map(|(way, sql)| {
            let hash: String = Sha256::digest(normalised(sql))
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("{hash}  {}/{way}.sql", migration.name)
        })
    }

    #[test]
    fn names_are_in_order_and_unique() {
        let schema = schema();
        assert!(schema.migrations.is_sorted_by(|a, b| a.name < b.name));
        let names: BTreeSet<_> = schema.objects.iter().map(|object| object.name).collect();
        assert_eq!(names.len(), schema.objects.len());
        let needed = schema.objects.iter().map(|object| object.since);
        assert!(needed.into_iter().all(|since| {
            schema
                .migrations
                .iter()
                .any(|migration| migration.name == since)
        }));
    }
}
