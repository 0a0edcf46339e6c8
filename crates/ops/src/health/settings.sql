SELECT
    setting.name,
    setting.setting AS value,
    setting.source
FROM pg_catalog.pg_settings AS setting
WHERE setting.name = ANY ($1)
    -- Those of this session's own role and database are below, whoever asks.
    AND setting.source NOT IN ('client', 'session', 'interactive', 'user', 'database', 'database user', 'global')
UNION ALL
SELECT
    pg_catalog.lower(pg_catalog.split_part(default_value.text, '=', 1)),
    pg_catalog.substr(default_value.text, pg_catalog.strpos(default_value.text, '=') + 1),
    pg_catalog.concat_ws(' ',
        'ALTER ROLE ' || pg_catalog.quote_ident(role.rolname),
        CASE WHEN role.rolname IS NULL THEN 'ALTER DATABASE ' ELSE 'IN DATABASE ' END
            || pg_catalog.quote_ident(database.datname),
        CASE WHEN role.rolname IS NULL AND database.datname IS NULL THEN 'ALTER ROLE ALL' END,
        'SET')
FROM pg_catalog.pg_db_role_setting AS defaults
LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = defaults.setrole
LEFT JOIN pg_catalog.pg_database AS database ON database.oid = defaults.setdatabase
CROSS JOIN LATERAL pg_catalog.unnest(defaults.setconfig) AS default_value (text)
WHERE pg_catalog.lower(pg_catalog.split_part(default_value.text, '=', 1)) = ANY ($1)
    AND (defaults.setdatabase = 0 OR database.datname = pg_catalog.current_database())
ORDER BY 1, 3, 2
LIMIT 100
