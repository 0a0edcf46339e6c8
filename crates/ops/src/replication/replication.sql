SELECT found.standby, found.state, found.lag_bytes, found.lag_seconds
FROM (
    SELECT
        sender.application_name AS standby,
        sender.state,
        pg_catalog.pg_wal_lsn_diff(
            CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_receive_lsn()
                 ELSE pg_catalog.pg_current_wal_lsn() END,
            sender.replay_lsn)::pg_catalog.int8 AS lag_bytes,
        -- Null when there was nothing to replay for a while.
        CASE WHEN sender.replay_lsn IS NOT NULL THEN
            coalesce(pg_catalog.date_part('epoch', sender.replay_lag), 0) END AS lag_seconds
    FROM pg_catalog.pg_stat_replication AS sender
    UNION ALL
    SELECT
        NULL,
        (SELECT receiver.status FROM pg_catalog.pg_stat_wal_receiver AS receiver),
        pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())::pg_catalog.int8,
        CASE WHEN pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn() THEN 0
             ELSE pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) END
    WHERE pg_catalog.pg_is_in_recovery()
) AS found
ORDER BY found.lag_bytes DESC NULLS LAST, found.standby
LIMIT 100
