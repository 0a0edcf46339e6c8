-- Connections of clients that have done nothing for five minutes, and at the end those of which nobody knows, because
-- track_activities is off for them. Another time is a parameter of the ops crate's
-- Monitor::idle_connections.
CREATE OR REPLACE VIEW pooling.v_idle_connections AS
SELECT
    activity.pid,
    activity.usename::text AS username,
    activity.datname::text AS database,
    activity.application_name,
    pg_catalog.host(activity.client_addr) AS client_address,
    activity.state,
    activity.state_change,
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - activity.state_change) AS idle_seconds,
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - activity.xact_start) AS transaction_seconds,
    activity.query
FROM pg_catalog.pg_stat_activity AS activity
WHERE activity.backend_type = 'client backend'
    AND (
        activity.state IN ('idle', 'idle in transaction', 'idle in transaction (aborted)')
            AND activity.state_change <= pg_catalog.clock_timestamp() - interval '5 minutes'
        OR activity.state = 'disabled'
    )
    AND activity.pid <> pg_catalog.pg_backend_pid()
ORDER BY activity.state_change, activity.pid;
COMMENT ON VIEW pooling.v_idle_connections IS 'Connections of clients that have done nothing for five minutes.';
COMMENT ON COLUMN pooling.v_idle_connections.state IS 'disabled: track_activities is off for it, and nobody knows whether it does nothing.';
COMMENT ON COLUMN pooling.v_idle_connections.transaction_seconds IS 'The age of its transaction, which may have begun long before; null outside of one.';
