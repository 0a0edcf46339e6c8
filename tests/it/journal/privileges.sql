-- Every privilege that each role of $1, a list with commas, has in the current database: by itself, through PUBLIC or by
-- membership. The name public stands for PUBLIC. $2 is the server's version.
WITH role AS (
    SELECT name, position FROM unnest(string_to_array($1, ',')) WITH ORDINALITY AS given (name, position)
), space AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relation AS (
    SELECT c.oid, c.relkind, format('%I.%I', space.nspname, c.relname) AS name,
           CASE c.relkind WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind
    FROM pg_class AS c JOIN space ON space.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), whole (position, kind, name, privilege) AS (
    SELECT role.position, 'database', 'of the bank', p
    FROM role CROSS JOIN unnest('{CONNECT,CREATE,TEMPORARY}'::text[]) AS p
    WHERE has_database_privilege(role.name, current_database(), p)
    UNION ALL
    SELECT role.position, 'schema', format('%I', space.nspname), p
    FROM role CROSS JOIN space CROSS JOIN unnest('{CREATE,USAGE}'::text[]) AS p
    WHERE has_schema_privilege(role.name, space.oid, p)
    UNION ALL
    SELECT role.position, relation.kind, relation.name, p
    FROM role CROSS JOIN relation
    CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]
                      || CASE WHEN $2::int < 17 THEN '{}' ELSE '{MAINTAIN}'::text[] END) AS p
    WHERE relation.relkind <> 'S' AND has_table_privilege(role.name, relation.oid, p)
    UNION ALL
    SELECT role.position, relation.kind, relation.name, p
    FROM role CROSS JOIN relation CROSS JOIN unnest('{SELECT,UPDATE,USAGE}'::text[]) AS p
    WHERE relation.relkind = 'S' AND has_sequence_privilege(role.name, relation.oid, p)
    UNION ALL
    SELECT role.position, 'function', format('%I.%I(%s)', space.nspname, f.proname, oidvectortypes(f.proargtypes)), 'EXECUTE'
    FROM role CROSS JOIN pg_proc AS f JOIN space ON space.oid = f.pronamespace
    WHERE has_function_privilege(role.name, f.oid, 'EXECUTE')
    UNION ALL
    SELECT role.position, 'type', format('%I.%I', space.nspname, t.typname), 'USAGE'
    FROM role CROSS JOIN pg_type AS t JOIN space ON space.oid = t.typnamespace
    WHERE t.typtype IN ('d', 'e') AND has_type_privilege(role.name, t.oid, 'USAGE')
), of_columns (position, kind, name, privilege) AS (
    SELECT role.position, relation.kind, relation.name,
           format('%s of %s', p, string_agg(format('%I', a.attname), ', ' ORDER BY a.attname COLLATE "C"))
    FROM role CROSS JOIN relation
    JOIN pg_attribute AS a ON a.attrelid = relation.oid AND a.attnum > 0 AND NOT a.attisdropped
    CROSS JOIN unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS p
    WHERE relation.relkind <> 'S' AND has_column_privilege(role.name, relation.oid, a.attnum, p)
      AND NOT has_table_privilege(role.name, relation.oid, p)
    GROUP BY role.position, relation.kind, relation.name, p
)
SELECT role.name AS role, found.kind, found.name, string_agg(found.privilege, '; ' ORDER BY found.privilege COLLATE "C") AS privileges
FROM (TABLE whole UNION ALL TABLE of_columns) AS found JOIN role USING (position)
GROUP BY role.position, role.name, found.kind, found.name
ORDER BY role.position, found.kind, found.name COLLATE "C"
