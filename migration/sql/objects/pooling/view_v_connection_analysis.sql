-- Connections of clients by role, database, program and address, without the one that asks. The same answer as the ops
-- crate's Monitor::connection_analysis gives. Ages by clock_timestamp(), because now() is the transaction's start.
CREATE OR REPLACE VIEW pooling.v_connection_analysis AS
SELECT
    activity.usename::text AS username,
    activity.datname::text AS database,
    activity.application_name,
    pg_catalog.host(activity.client_addr) AS client_address,
    pg_catalog.count(*) AS total_connections,
    pg_catalog.count(*) FILTER (WHERE activity.state = 'active') AS active,
    pg_catalog.count(*) FILTER (WHERE activity.state = 'idle') AS idle,
    pg_catalog.count(*) FILTER (WHERE activity.state = 'idle in transaction') AS idle_in_transaction,
    pg_catalog.count(*) FILTER (WHERE activity.state = 'idle in transaction (aborted)') AS aborted,
    pg_catalog.count(*) FILTER (WHERE activity.state NOT IN (
        'active', 'idle', 'idle in transaction', 'idle in transaction (aborted)', 'disabled')) AS other,
    pg_catalog.count(*) FILTER (WHERE activity.state IS NULL) AS hidden,
    pg_catalog.count(*) FILTER (WHERE activity.wait_event_type = 'Lock') AS waiting_for_lock,
    pg_catalog.avg(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - activity.backend_start)) AS avg_connection_age_seconds,
    pg_catalog.max(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - activity.state_change)) AS max_seconds_in_current_state,
    pg_catalog.max(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - activity.xact_start)) AS oldest_transaction_seconds,
    pg_catalog.count(*) FILTER (WHERE activity.state = 'disabled') AS untracked
FROM pg_catalog.pg_stat_activity AS activity
-- From a role that may not see a session, the server hides what kind it is, but not whose; its own processes have no role,
-- or (as the launcher of logical replication) no database.
WHERE (activity.backend_type = 'client backend' OR (activity.backend_type IS NULL AND activity.usesysid IS NOT NULL AND activity.datid IS NOT NULL))
    AND activity.pid <> pg_catalog.pg_backend_pid()
GROUP BY activity.usename, activity.datname, activity.application_name, activity.client_addr
ORDER BY total_connections DESC, username, database, activity.application_name, client_address;
COMMENT ON VIEW pooling.v_connection_analysis IS 'Connections of clients by role, database, program and address.';
COMMENT ON COLUMN pooling.v_connection_analysis.untracked IS 'Whose state nobody knows, because track_activities is off for them.';
COMMENT ON COLUMN pooling.v_connection_analysis.hidden IS 'Whose state the current role may not see; pg_monitor may.';
