-- Returns the text of pgbouncer.ini, equal to that of Rust's PgbouncerConfig::ini for the same
-- input: p_config is that type as JSON. Missing fields have the values of PgbouncerConfig::new, for
-- this database and with this server's own connection settings. A value that PgBouncer would reject
-- or misread is an error that names it.
CREATE OR REPLACE FUNCTION pooling.generate_pgbouncer_config(p_config jsonb DEFAULT '{}')
RETURNS text
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c_auth_query CONSTANT text := 'SELECT rolname, CASE WHEN rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now() '
        || 'THEN NULL ELSE rolpassword END FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.=) $1 AND rolcanlogin';
    -- Matches the folder of a Unix socket and every loopback address.
    c_of_this_machine CONSTANT text := '^(/|localhost$|::1$|127\.)';
    v_version text;
    v_minor integer;
    v_defaults jsonb;
    v_config jsonb;
    v_database jsonb;
    v_row record;
    v_problem text;
    v_pools bigint;
    v_size bigint;
    v_servers numeric := 0;
    v_needed numeric;
    v_reserved bigint;
    v_available bigint;
    v_files numeric;
    v_lines text := '';
    v_keys text[] := ARRAY[]::text[];
    v_settings text := '';
BEGIN
    IF jsonb_typeof(p_config) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'p_config must be an object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    v_version := coalesce(p_config ->> 'version', '1.25');
    IF v_version !~ '^(PgBouncer )?1\.(1[89]|[2-9][0-9])(\.[0-9]+)?$' THEN
        RAISE EXCEPTION 'version is "%", but must be 1.18 or newer, such as 1.25 or 1.25.2', v_version
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    v_minor := substring(v_version FROM '1\.([0-9]+)')::integer;
    v_defaults := jsonb_build_object(
        'version', v_version, 'pool_mode', 'transaction',
        'databases', jsonb_build_array(jsonb_build_object('name', current_database(), 'host', '127.0.0.1',
            'port', current_setting('port')::integer, 'database', current_database(), 'pool_size', NULL)),
        'users', 1, 'pool_size', 20, 'min_pool_size', 0, 'reserve_pool_size', 5, 'max_db_connections', NULL,
        'max_client_conn', 1000, 'max_prepared_statements', CASE WHEN v_minor >= 21 THEN 200 ELSE 0 END,
        'listen_addr', '127.0.0.1', 'listen_port', 6432, 'unix_socket_dir', NULL,
        'auth_file', '/etc/pgbouncer/userlist.txt', 'auth_hba_file', NULL, 'auth_query', NULL,
        'admin_users', '[]'::jsonb, 'stats_users', '[]'::jsonb, 'client_tls', NULL, 'server_tls_ca_file', NULL,
        'plain_text', false, 'pidfile', NULL, 'logfile', NULL, 'further', '{}'::jsonb, 'budget', jsonb_build_object(
            'max_connections', current_setting('max_connections')::integer,
            'superuser_reserved_connections', current_setting('superuser_reserved_connections')::integer,
            -- PostgreSQL 15 has no such setting.
            'reserved_connections', coalesce(current_setting('reserved_connections', true)::integer, 0),
            'other_connections', 0, 'instances', 1),
        'file_descriptors', 65536);
    v_config := v_defaults || p_config;

    -- The valid values of each field; the first problem is reported.
    SELECT f.problem INTO v_problem
    FROM (
        SELECT 1 AS place, format('%s is not a field of the configuration', quote_ident(k.key)) AS problem
        FROM jsonb_object_keys(p_config) AS k (key) WHERE NOT v_defaults ? k.key
        UNION ALL
        SELECT 2, format('%s is %s, but must be %s', t.path, coalesce(v_config #> string_to_array(t.path, '.'), 'null'), t.expected)
        FROM (VALUES
            ('databases', 'array', 'an array'), ('admin_users', 'array', 'an array'), ('stats_users', 'array', 'an array'),
            ('further', 'object', 'an object'), ('budget', 'object', 'an object'), ('pool_mode', 'string', 'session or transaction'),
            ('auth_file', 'string', 'a text'), ('plain_text', 'boolean', 'true or false')) AS t (path, kind, expected)
        WHERE jsonb_typeof(v_config #> string_to_array(t.path, '.')) IS DISTINCT FROM t.kind
        UNION ALL
        SELECT 3, format('%s is "%s", but must be at least %s', n.path, v_config #>> string_to_array(n.path, '.'), n.least)
        FROM (VALUES
            ('users', 1), ('pool_size', 1), ('max_client_conn', 1), ('max_db_connections', 1), ('min_pool_size', 0),
            ('reserve_pool_size', 0), ('max_prepared_statements', 0), ('listen_port', 1), ('file_descriptors', 0),
            ('budget.instances', 1), ('budget.max_connections', 0), ('budget.superuser_reserved_connections', 0),
            ('budget.reserved_connections', 0), ('budget.other_connections', 0)) AS n (path, least)
        WHERE NOT (n.path = 'max_db_connections' AND v_config ->> 'max_db_connections' IS NULL)
          AND (CASE WHEN v_config #>> string_to_array(n.path, '.') ~ '^[0-9]{1,10}$'
               THEN (v_config #>> string_to_array(n.path, '.'))::bigint BETWEEN n.least
                    AND CASE n.path WHEN 'listen_port' THEN 65535 ELSE 4294967295 END END) IS NOT TRUE
    ) AS f
    ORDER BY f.place, f.problem
    LIMIT 1;
    IF v_problem IS NULL AND v_config ->> 'pool_mode' NOT IN ('session', 'transaction') THEN
        v_problem := format('pool_mode is "%s", but must be session or transaction', v_config ->> 'pool_mode');
    END IF;
    IF v_problem IS NULL THEN
        SELECT d.problem INTO v_problem
        FROM (
            SELECT e.place, CASE
                WHEN jsonb_typeof(e.entry) <> 'object' THEN 'databases must be objects'
                WHEN (e.entry ->> 'name' ~ '^[A-Za-z0-9_.-]{1,63}$' AND e.entry ->> 'name' <> 'pgbouncer') IS NOT TRUE THEN
                    format('databases.name is "%s", but must be 1 to 63 of the characters A-Z, a-z, 0-9, _, . and -, '
                           'and not pgbouncer, which is the console''s name', e.entry ->> 'name')
                WHEN count(*) OVER (PARTITION BY e.entry ->> 'name') > 1 THEN
                    format('databases.name is "%s", but must be another name for each database', e.entry ->> 'name')
                WHEN (e.entry ->> 'host' ~ '^[^\x01-\x1f\x7f-\x9f]+$') IS NOT TRUE THEN
                    format('databases.host is "%s", but must be a text without control characters', e.entry ->> 'host')
                WHEN (e.entry ->> 'database' ~ '^[^\x01-\x1f\x7f-\x9f]+$') IS NOT TRUE THEN
                    format('databases.database is "%s", but must be a text without control characters', e.entry ->> 'database')
                WHEN octet_length(convert_to(e.entry ->> 'database', 'UTF8')) > 63 THEN
                    format('databases.database is "%s", but must be at most 63 bytes', e.entry ->> 'database')
                WHEN (CASE WHEN e.entry ->> 'port' ~ '^[0-9]{1,5}$' THEN (e.entry ->> 'port')::integer BETWEEN 1 AND 65535 END)
                    IS NOT TRUE THEN
                    format('databases.port is "%s", but must be 1 to 65535', e.entry ->> 'port')
                WHEN (CASE WHEN e.entry ->> 'pool_size' IS NULL THEN true
                           WHEN e.entry ->> 'pool_size' ~ '^[0-9]{1,10}$' THEN (e.entry ->> 'pool_size')::bigint >= 1 END)
                    IS NOT TRUE THEN
                    format('databases.pool_size is "%s", but must be at least 1', e.entry ->> 'pool_size')
            END AS problem
            FROM jsonb_array_elements(v_config -> 'databases') WITH ORDINALITY AS e (entry, place)
        ) AS d
        WHERE d.problem IS NOT NULL ORDER BY d.place LIMIT 1;
    END IF;
    IF v_problem IS NULL THEN
        SELECT format('%s is "%s", but must be names of 1 to 63 bytes without commas, blanks and control characters',
                      u.field, n.name) INTO v_problem
        FROM (VALUES ('admin_users'), ('stats_users')) AS u (field),
             jsonb_array_elements_text(v_config -> u.field) AS n (name)
        WHERE (n.name ~ '^[^,[:space:]\x01-\x1f\x7f-\x9f]+$' AND octet_length(convert_to(n.name, 'UTF8')) <= 63) IS NOT TRUE
        LIMIT 1;
    END IF;
    IF v_problem IS NULL AND v_config ->> 'listen_addr' IS NULL AND v_config ->> 'unix_socket_dir' IS NULL THEN
        v_problem := 'listen_addr is "", but must be an address where there is no unix_socket_dir';
    END IF;
    IF v_problem IS NULL AND (v_config ->> 'max_prepared_statements')::bigint > 0
        AND NOT (v_minor >= 21 AND v_config ->> 'pool_mode' = 'transaction') THEN
        v_problem := format('max_prepared_statements is %s, but PgBouncer 1.%s does not follow prepared statements in %s mode: '
                            'it needs 1.21 and the mode transaction, or must be 0',
                            v_config ->> 'max_prepared_statements', v_minor, v_config ->> 'pool_mode');
    END IF;
    IF v_problem IS NULL AND strpos(coalesce(v_config #>> '{auth_query,query}', c_auth_query), '$1') = 0 THEN
        v_problem := format('auth_query.query is "%s", but must be a query with $1 for the user''s name',
                            v_config #>> '{auth_query,query}');
    END IF;
    -- Passwords and data leave the machine by TLS, unless plain_text allows plain text.
    IF v_problem IS NULL AND NOT (v_config ->> 'plain_text')::boolean THEN
        IF v_config ->> 'server_tls_ca_file' IS NULL THEN
            SELECT format('server_tls_ca_file is "", but must be a file of authorities, because the server "%s" is not on this '
                          'machine, or plain_text must say that nothing protects what is sent', e.entry ->> 'host')
            INTO v_problem
            FROM jsonb_array_elements(v_config -> 'databases') WITH ORDINALITY AS e (entry, place)
            WHERE e.entry ->> 'host' !~ c_of_this_machine
            ORDER BY e.place LIMIT 1;
        END IF;
        IF v_problem IS NULL AND v_config ->> 'client_tls' IS NULL AND EXISTS (
            SELECT FROM string_to_table(v_config ->> 'listen_addr', ',') AS address WHERE btrim(address) !~ c_of_this_machine
        ) THEN
            v_problem := 'client_tls is "", but must be a certificate, because clients of other machines may connect, or '
                         'plain_text must say that nothing protects what is sent';
        END IF;
    END IF;
    IF v_problem IS NOT NULL THEN
        RAISE EXCEPTION '%', v_problem USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- The greatest demand of the pools. The user that looks up other users has a pool as well.
    v_pools := (v_config ->> 'users')::bigint + CASE WHEN v_config ->> 'auth_query' IS NULL THEN 0 ELSE 1 END;
    FOR v_database IN SELECT e.entry FROM jsonb_array_elements(v_config -> 'databases') AS e (entry) LOOP
        v_size := coalesce((v_database ->> 'pool_size')::bigint, (v_config ->> 'pool_size')::bigint);
        IF (v_config ->> 'min_pool_size')::bigint > v_size THEN
            RAISE EXCEPTION 'min_pool_size is "%", but must be at most the smallest pool_size', v_config ->> 'min_pool_size'
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        v_servers := v_servers + least(v_pools::numeric * (v_size + (v_config ->> 'reserve_pool_size')::bigint),
                                       (v_config ->> 'max_db_connections')::numeric);
        v_lines := v_lines || format(E'%s = host=''%s'' port=%s dbname=''%s''%s\n', v_database ->> 'name',
            replace(v_database ->> 'host', '''', ''''''), v_database ->> 'port',
            replace(v_database ->> 'database', '''', ''''''), ' pool_size=' || (v_database ->> 'pool_size'));
    END LOOP;
    IF v_lines = '' THEN
        RAISE EXCEPTION 'databases is "", but must be at least one' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    v_needed := v_servers * (v_config #>> '{budget,instances}')::numeric;
    v_reserved := (v_config #>> '{budget,superuser_reserved_connections}')::bigint
        + (v_config #>> '{budget,reserved_connections}')::bigint + (v_config #>> '{budget,other_connections}')::bigint;
    v_available := greatest((v_config #>> '{budget,max_connections}')::bigint - v_reserved, 0);
    IF v_needed > v_available THEN
        RAISE EXCEPTION 'the pools may open % connections, but the server has % for them: % less % that are reserved or others''',
                v_needed, v_available, v_config #>> '{budget,max_connections}', v_reserved
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    v_files := (v_config ->> 'max_client_conn')::bigint + v_servers + 10;
    IF v_files > (v_config ->> 'file_descriptors')::bigint THEN
        RAISE EXCEPTION 'PgBouncer may need % file descriptors (max_client_conn %, % to servers, 10 of its own), but its limit is %',
                v_files, v_config ->> 'max_client_conn', v_servers, v_config ->> 'file_descriptors'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- The settings in their order; a null omits its line. Texts of the caller have the name of
    -- their field.
    FOR v_row IN
        SELECT l.key, l.value, l.field
        FROM (
        SELECT * FROM (VALUES
            (1, 'listen_addr', coalesce(v_config ->> 'listen_addr', ''), CASE WHEN v_config ->> 'listen_addr' IS NOT NULL THEN 'listen_addr' END),
            (2, 'listen_port', v_config ->> 'listen_port', NULL),
            (3, 'unix_socket_dir', coalesce(v_config ->> 'unix_socket_dir', ''), CASE WHEN v_config ->> 'unix_socket_dir' IS NOT NULL THEN 'unix_socket_dir' END),
            (4, 'auth_type', CASE WHEN v_config ->> 'auth_hba_file' IS NULL THEN 'scram-sha-256' ELSE 'hba' END, NULL),
            (5, 'auth_hba_file', v_config ->> 'auth_hba_file', 'auth_hba_file'),
            (6, 'auth_file', v_config ->> 'auth_file', 'auth_file'),
            (7, 'auth_user', CASE WHEN v_config ->> 'auth_query' IS NOT NULL THEN coalesce(v_config #>> '{auth_query,user}', '') END, 'auth_query.user'),
            (8, 'auth_query', CASE WHEN v_config ->> 'auth_query' IS NOT NULL THEN coalesce(v_config #>> '{auth_query,query}', c_auth_query) END, 'auth_query.query'),
            (9, 'auth_dbname', v_config #>> '{auth_query,database}', 'auth_query.database'),
            (10, 'admin_users', (SELECT coalesce(string_agg(u.name, ', ' ORDER BY u.place), '')
                FROM jsonb_array_elements_text(v_config -> 'admin_users') WITH ORDINALITY AS u (name, place)), NULL),
            (11, 'stats_users', (SELECT coalesce(string_agg(u.name, ', ' ORDER BY u.place), '')
                FROM jsonb_array_elements_text(v_config -> 'stats_users') WITH ORDINALITY AS u (name, place)), NULL),
            (12, 'pool_mode', v_config ->> 'pool_mode', NULL),
            (13, 'max_client_conn', v_config ->> 'max_client_conn', NULL),
            (14, 'default_pool_size', v_config ->> 'pool_size', NULL),
            (15, 'min_pool_size', v_config ->> 'min_pool_size', NULL),
            (16, 'reserve_pool_size', v_config ->> 'reserve_pool_size', NULL),
            (17, 'reserve_pool_timeout', '3', NULL),
            (18, 'max_db_connections', v_config ->> 'max_db_connections', NULL),
            -- Written also when it is 0, because the default became 200 in 1.24.
            (19, 'max_prepared_statements', CASE WHEN v_minor >= 21 THEN v_config ->> 'max_prepared_statements' END, NULL),
            (20, 'server_reset_query', CASE WHEN v_config ->> 'pool_mode' = 'session' THEN 'DISCARD ALL' END, NULL),
            (21, 'ignore_startup_parameters', 'extra_float_digits, options', NULL),
            (22, 'query_wait_timeout', '30', NULL),
            (23, 'idle_transaction_timeout', '60', NULL),
            (24, 'server_connect_timeout', '5', NULL),
            (25, 'client_tls_sslmode', CASE WHEN v_config ->> 'client_tls' IS NOT NULL THEN 'require' END, NULL),
            (26, 'client_tls_cert_file', CASE WHEN v_config ->> 'client_tls' IS NOT NULL THEN coalesce(v_config #>> '{client_tls,cert_file}', '') END, 'client_tls.cert_file'),
            (27, 'client_tls_key_file', CASE WHEN v_config ->> 'client_tls' IS NOT NULL THEN coalesce(v_config #>> '{client_tls,key_file}', '') END, 'client_tls.key_file'),
            (28, 'server_tls_sslmode', CASE WHEN v_config ->> 'server_tls_ca_file' IS NULL THEN 'disable' ELSE 'verify-full' END, NULL),
            (29, 'server_tls_ca_file', v_config ->> 'server_tls_ca_file', 'server_tls_ca_file'),
            (30, 'pidfile', v_config ->> 'pidfile', 'pidfile'),
            (31, 'logfile', v_config ->> 'logfile', 'logfile')
        ) AS s (place, key, value, field)
        WHERE s.value IS NOT NULL
        UNION ALL
        SELECT 32, f.key, coalesce(f.value, ''), 'further.' || f.key
        FROM jsonb_each_text(v_config -> 'further') AS f (key, value)
        ) AS l (place, key, value, field)
        ORDER BY l.place, l.key COLLATE "C"
    LOOP
        IF v_row.key = ANY (v_keys) THEN
            RAISE EXCEPTION '% is "%", but must be set by its own field', v_row.field, v_row.value
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF v_row.field IS NOT NULL
            AND (v_row.value ~ '^[^\x01-\x1f\x7f-\x9f]+$' AND v_row.value !~ '^\s|\s$') IS NOT TRUE THEN
            RAISE EXCEPTION '% is "%", but must be a text without control characters, and without blanks around it',
                    v_row.field, v_row.value
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        -- PgBouncer's own keys, each with its first version; 18 stands for 1.18 or older.
        IF NOT EXISTS (
            SELECT FROM (VALUES
                (18, 'admin_users application_name_add_host auth_file auth_hba_file auth_query auth_type'
                    || ' auth_user autodb_idle_timeout client_idle_timeout client_login_timeout client_tls_ca_file'
                    || ' client_tls_cert_file client_tls_ciphers client_tls_dheparams client_tls_ecdhcurve'
                    || ' client_tls_key_file client_tls_protocols client_tls_sslmode conffile default_pool_size'
                    || ' disable_pqexec dns_max_ttl dns_nxdomain_ttl dns_zone_check_period idle_transaction_timeout'
                    || ' ignore_startup_parameters job_name listen_addr listen_backlog listen_port log_connections'
                    || ' log_disconnections log_pooler_errors log_stats logfile max_client_conn max_db_connections'
                    || ' max_packet_size max_user_connections min_pool_size pidfile pkt_buf pool_mode query_timeout'
                    || ' query_wait_timeout reserve_pool_size reserve_pool_timeout resolv_conf sbuf_loopcnt'
                    || ' server_check_delay server_check_query server_connect_timeout server_fast_close'
                    || ' server_idle_timeout server_lifetime server_login_retry server_reset_query'
                    || ' server_reset_query_always server_round_robin server_tls_ca_file server_tls_cert_file'
                    || ' server_tls_ciphers server_tls_key_file server_tls_protocols server_tls_sslmode'
                    || ' service_name so_reuseport stats_period stats_users suspend_timeout syslog syslog_facility'
                    || ' syslog_ident tcp_defer_accept tcp_keepalive tcp_keepcnt tcp_keepidle tcp_keepintvl'
                    || ' tcp_socket_buffer tcp_user_timeout unix_socket_dir unix_socket_group unix_socket_mode user'
                    || ' verbose'),
                (19, 'auth_dbname cancel_wait_timeout peer_id'),
                (20, 'track_extra_parameters'),
                (21, 'max_prepared_statements'),
                (23, 'auth_ident_file'),
                (24, 'max_db_client_connections max_user_client_connections'),
                (25, 'auth_ldap_options client_tls13_ciphers query_wait_notify scram_iterations'
                    || ' server_tls13_ciphers transaction_timeout')
            ) AS known (minor, keys)
            WHERE known.minor <= v_minor AND v_row.key = ANY (string_to_array(known.keys, ' '))
        ) THEN
            RAISE EXCEPTION 'PgBouncer 1.% has no setting "%"', v_minor, v_row.key USING ERRCODE = 'invalid_parameter_value';
        END IF;
        v_keys := v_keys || v_row.key;
        v_settings := v_settings || rtrim(v_row.key || ' = ' || v_row.value) || E'\n';
    END LOOP;
    RETURN format(E'; For PgBouncer 1.%s.\n; Connections to the server: %s of %s. File descriptors: %s of %s.\n\n[databases]\n%s\n[pgbouncer]\n%s',
                  v_minor, v_needed, v_available, v_files, v_config ->> 'file_descriptors', v_lines, v_settings);
END
$$;
COMMENT ON FUNCTION pooling.generate_pgbouncer_config(jsonb) IS 'The text of pgbouncer.ini for a version of PgBouncer, with its budgets checked.';
REVOKE ALL ON FUNCTION pooling.generate_pgbouncer_config(jsonb) FROM PUBLIC;
