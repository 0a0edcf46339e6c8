-- What the server's catalogue says about the schemas in $1 and the roles in $2, as rows of kind, name, property and
-- value. The text is the same under every owner's name. Every role may read what is asked here. Names are those of
-- pg_catalog: the caller has set the search path.
WITH space AS (
    SELECT n.oid, n.nspname::text AS name, n.nspowner AS owner, n.nspacl AS acl
    FROM pg_namespace AS n WHERE n.nspname = ANY ($1)
), owned AS (
    -- The owner of most objects counts as the owner; an object of another role is shown with it.
    SELECT mode() WITHIN GROUP (ORDER BY o.owner) AS by FROM (
        SELECT c.relowner FROM pg_class AS c JOIN space ON space.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'v', 'S')
        UNION ALL
        SELECT p.proowner FROM pg_proc AS p JOIN space ON space.oid = p.pronamespace
    ) AS o (owner)
), relation AS (
    SELECT c.oid, c.relkind AS code, c.relowner AS owner, c.relacl AS acl, c.reloptions AS options,
           c.relpersistence AS persistence, c.relam AS method, c.relrowsecurity AS hides, c.relforcerowsecurity AS hides_all,
           CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
                WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'foreign table' END AS kind,
           format('%I.%I', space.name, c.relname) AS name
    FROM pg_class AS c JOIN space ON space.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
), attribute AS (
    SELECT a.*, relation.owner, relation.code, format('%s.%I', relation.name, a.attname) AS name,
           relation.name = 'migration.seaql_migrations' AS is_of_another_library
    FROM pg_attribute AS a JOIN relation ON relation.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped
), routine AS (
    SELECT p.*, CASE p.prokind WHEN 'f' THEN 'function' WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate'
                     ELSE 'window function' END AS kind,
           format('%I.%I(%s)', space.name, p.proname, oidvectortypes(p.proargtypes)) AS name
    FROM pg_proc AS p JOIN space ON space.oid = p.pronamespace
), domain AS (
    SELECT t.*, format('%I.%I', space.name, t.typname) AS name
    FROM pg_type AS t JOIN space ON space.oid = t.typnamespace WHERE t.typtype = 'd'
), composite AS (
    SELECT t.*, format('%I.%I', space.name, t.typname) AS name
    FROM pg_type AS t JOIN space ON space.oid = t.typnamespace
    JOIN pg_class AS c ON c.oid = t.typrelid AND c.relkind = 'c'
), object_owner (kind, name, owner) AS (
    SELECT 'schema', quote_ident(name), owner FROM space
    UNION ALL SELECT kind, name, owner FROM relation
    UNION ALL SELECT kind, name, proowner FROM routine
    UNION ALL SELECT 'domain', name, typowner FROM domain
    UNION ALL SELECT 'type', name, typowner FROM composite
), privilege (kind, name, owner, grantor, grantee, type, may_grant) AS (
    SELECT 'schema', quote_ident(space.name), space.owner, acl.* FROM space CROSS JOIN aclexplode(space.acl) AS acl
    UNION ALL
    SELECT relation.kind, relation.name, relation.owner, acl.* FROM relation CROSS JOIN aclexplode(relation.acl) AS acl
    UNION ALL
    SELECT 'column', attribute.name, attribute.owner, acl.* FROM attribute CROSS JOIN aclexplode(attribute.attacl) AS acl
    UNION ALL
    SELECT routine.kind, routine.name, routine.proowner, acl.*
    FROM routine CROSS JOIN aclexplode(coalesce(routine.proacl, acldefault('f', routine.proowner))) AS acl
    UNION ALL
    SELECT 'domain', domain.name, domain.typowner, acl.*
    FROM domain CROSS JOIN aclexplode(coalesce(domain.typacl, acldefault('T', domain.typowner))) AS acl
    UNION ALL
    SELECT 'type', composite.name, composite.typowner, acl.*
    FROM composite
    CROSS JOIN aclexplode(coalesce(composite.typacl, acldefault('T', composite.typowner))) AS acl
), database AS (
    SELECT d.* FROM pg_database AS d WHERE d.datname = current_database()
), constraint_of AS (
    SELECT k.*, format('%I on %s', k.conname, coalesce(relation.name, domain.name)) AS name
    FROM pg_constraint AS k
    LEFT JOIN relation ON relation.oid = k.conrelid
    LEFT JOIN domain ON domain.oid = k.contypid
    -- From version 18 on, NOT NULL is a constraint too; the columns tell it already.
    WHERE k.contype IN ('p', 'u', 'f', 'c', 'x') AND coalesce(relation.name, domain.name) IS NOT NULL
), found (kind, name, property, value) AS (
    SELECT object_owner.kind, object_owner.name, 'owner',
           CASE WHEN object_owner.owner = owned.by THEN 'the owner'
                ELSE quote_ident(pg_get_userbyid(object_owner.owner)) END
    FROM object_owner CROSS JOIN owned
    UNION ALL
    SELECT p.kind, p.name,
           'privileges of ' || CASE p.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(p.grantee)) END,
           string_agg(p.type || CASE WHEN p.may_grant THEN ' with grant option' ELSE '' END
                      || CASE WHEN p.grantor = p.owner THEN '' ELSE ' from ' || quote_ident(pg_get_userbyid(p.grantor)) END,
                      ', ' ORDER BY p.type COLLATE "C")
    FROM privilege AS p WHERE p.grantee <> p.owner
    GROUP BY p.kind, p.name, p.grantee
    UNION ALL
    SELECT 'database', 'of the bank', 'encoding', pg_encoding_to_char(database.encoding) FROM database
    UNION ALL
    -- Of the database's privileges those of everyone and of the bank's roles; others are its owner's matter.
    SELECT 'database', 'of the bank',
           'privileges of ' || CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END,
           string_agg(DISTINCT acl.privilege_type, ', ')
    FROM database CROSS JOIN aclexplode(coalesce(database.datacl, acldefault('d', database.datdba))) AS acl
    WHERE acl.grantee = 0 OR pg_get_userbyid(acl.grantee) = ANY ($2)
    GROUP BY acl.grantee
    UNION ALL
    SELECT relation.kind, relation.name, property.*
    FROM relation CROSS JOIN LATERAL (VALUES
        ('persistence', CASE WHEN relation.code IN ('r', 'p', 'm', 'S') THEN
            CASE relation.persistence WHEN 'p' THEN 'logged' WHEN 'u' THEN 'unlogged' ELSE 'temporary' END END),
        ('access method', CASE WHEN relation.code IN ('r', 'm') THEN
            (SELECT am.amname::text FROM pg_am AS am WHERE am.oid = relation.method) END),
        ('row security', CASE WHEN relation.hides OR relation.hides_all THEN
            concat_ws(', ', CASE WHEN relation.hides THEN 'on' END, CASE WHEN relation.hides_all THEN 'forced' END) END),
        (CASE WHEN relation.code = 'v' THEN 'options' ELSE 'storage options' END,
         (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(relation.options) AS o)),
        ('query', CASE WHEN relation.code IN ('v', 'm') THEN
            encode(sha256(convert_to(pg_get_viewdef(relation.oid), 'UTF8')), 'hex') END)
    ) AS property
    UNION ALL
    SELECT 'sequence', relation.name, property.*
    FROM relation JOIN pg_sequence AS s ON s.seqrelid = relation.oid
    CROSS JOIN LATERAL (VALUES
        ('numbers', format('%s from %s by %s, %s to %s, cache %s%s', format_type(s.seqtypid, NULL), s.seqstart,
                           s.seqincrement, s.seqmin, s.seqmax, s.seqcache, CASE WHEN s.seqcycle THEN ', cycle' ELSE '' END)),
        ('owned by', (SELECT attribute.name FROM pg_depend AS d
                      JOIN attribute ON attribute.attrelid = d.refobjid AND attribute.attnum = d.refobjsubid
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = relation.oid
                        AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')))
    ) AS property
    UNION ALL
    SELECT 'column', a.name, property.*
    FROM attribute AS a
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    CROSS JOIN LATERAL (VALUES
        -- sea-orm-migration makes this table in its own way when it is there first.
        ('type', CASE WHEN NOT a.is_of_another_library THEN format_type(a.atttypid, a.atttypmod) END),
        ('not null', CASE WHEN a.attnotnull AND NOT EXISTS (
            SELECT FROM pg_constraint AS k WHERE k.conrelid = a.attrelid AND k.contype = 'n'
              AND a.attnum = ANY (k.conkey) AND NOT k.convalidated) THEN 'yes' ELSE 'no' END),
        ('default', pg_get_expr(d.adbin, d.adrelid)),
        ('generated', CASE a.attgenerated WHEN '' THEN NULL WHEN 's' THEN 'stored' ELSE 'virtual' END),
        ('identity', CASE a.attidentity WHEN '' THEN NULL WHEN 'a' THEN 'always' ELSE 'by default' END),
        ('collation', (SELECT format('%s.%I', c.collnamespace::regnamespace, c.collname)
                       FROM pg_collation AS c JOIN pg_type AS t ON t.oid = a.atttypid
                       WHERE c.oid = a.attcollation AND a.attcollation <> t.typcollation))
    ) AS property
    WHERE a.code IN ('r', 'p', 'm', 'f')
    UNION ALL
    SELECT 'domain', t.name, property.*
    FROM domain AS t CROSS JOIN LATERAL (VALUES
        ('type', format_type(t.typbasetype, t.typtypmod)),
        ('default', t.typdefault),
        ('not null', CASE WHEN t.typnotnull THEN 'yes' ELSE 'no' END)
    ) AS property
    UNION ALL
    SELECT 'type', t.name, 'fields',
           (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', '
                              ORDER BY a.attnum)
            FROM pg_attribute AS a WHERE a.attrelid = t.typrelid AND NOT a.attisdropped)
    FROM composite AS t
    UNION ALL
    SELECT 'constraint', k.name, property.*
    FROM constraint_of AS k CROSS JOIN LATERAL (VALUES
        ('definition', regexp_replace(CASE WHEN k.contype IN ('p', 'u', 'x')
             THEN regexp_replace(pg_get_constraintdef(k.oid), ' WITH \([^)]*\)', '')
             ELSE pg_get_constraintdef(k.oid) END, ' NOT VALID$', '')),
        ('validated', CASE WHEN k.convalidated THEN 'yes' ELSE 'no' END),
        -- A foreign key is kept by triggers of the server, which can be disabled.
        ('enforced by', (SELECT string_agg(format('%s %s', x.number, x.enabled), ', ' ORDER BY x.enabled) FROM (
             SELECT count(*) AS number, CASE t.tgenabled WHEN 'O' THEN 'triggers' WHEN 'A' THEN 'triggers that fire always'
                                            WHEN 'R' THEN 'triggers of replication' ELSE 'disabled triggers' END AS enabled
             FROM pg_trigger AS t WHERE t.tgconstraint = k.oid AND t.tgisinternal
             GROUP BY t.tgenabled) AS x))
    ) AS property
    UNION ALL
    SELECT 'index', format('%I on %s', c.relname, relation.name), property.*
    FROM pg_index AS i JOIN relation ON relation.oid = i.indrelid JOIN pg_class AS c ON c.oid = i.indexrelid
    CROSS JOIN LATERAL (VALUES
        ('definition', regexp_replace(pg_get_indexdef(c.oid), ' WITH \([^)]*\)', '')),
        ('usable', CASE WHEN i.indisvalid AND i.indisready AND i.indislive THEN 'yes' ELSE 'no' END),
        ('storage options', (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(c.reloptions) AS o)),
        -- Refuses no row and runs nothing but the server's own functions.
        ('harmless', CASE WHEN NOT i.indisunique AND NOT i.indisexclusion AND NOT EXISTS (
            SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
              AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)) THEN 'yes' ELSE 'no' END)
    ) AS property
    UNION ALL
    SELECT 'trigger', format('%I on %s', t.tgname, relation.name), property.*
    FROM pg_trigger AS t JOIN relation ON relation.oid = t.tgrelid
    CROSS JOIN LATERAL (VALUES
        ('definition', pg_get_triggerdef(t.oid)),
        ('fires', CASE t.tgenabled WHEN 'O' THEN 'unless replicating' WHEN 'A' THEN 'always'
                       WHEN 'R' THEN 'when replicating' ELSE 'never' END)
    ) AS property
    WHERE NOT t.tgisinternal
    UNION ALL
    SELECT 'rule', format('%I on %s', r.rulename, relation.name), 'definition', pg_get_ruledef(r.oid)
    FROM pg_rewrite AS r JOIN relation ON relation.oid = r.ev_class
    WHERE relation.code NOT IN ('v', 'm') OR r.rulename <> '_RETURN'
    UNION ALL
    SELECT 'policy', format('%I on %s', p.polname, relation.name), 'conditions',
           concat_ws(', ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy AS p JOIN relation ON relation.oid = p.polrelid
    UNION ALL
    SELECT 'inheritance', format('%s from %s', i.inhrelid::regclass, i.inhparent::regclass), 'is there', 'yes'
    FROM pg_inherits AS i
    WHERE i.inhparent IN (SELECT oid FROM relation) OR i.inhrelid IN (SELECT oid FROM relation)
    UNION ALL
    SELECT p.kind, p.name, property.*
    FROM routine AS p JOIN pg_language AS l ON l.oid = p.prolang
    CROSS JOIN LATERAL (VALUES
        ('arguments', pg_get_function_arguments(p.oid)),
        ('result', pg_get_function_result(p.oid)),
        ('language', l.lanname::text),
        ('body', encode(sha256(convert_to(concat_ws('|', p.prosrc, p.probin, pg_get_function_sqlbody(p.oid)), 'UTF8')), 'hex')),
        ('rights', CASE WHEN p.prosecdef THEN 'of its owner' ELSE 'of its caller' END),
        ('settings', (SELECT string_agg(s, '; ' ORDER BY s COLLATE "C") FROM unnest(p.proconfig) AS s)),
        ('properties', concat_ws(', ',
            CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
            CASE p.proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' END,
            CASE WHEN p.proisstrict THEN 'strict' END, CASE WHEN p.proleakproof THEN 'leakproof' END,
            CASE WHEN p.prosupport <> 0 THEN 'support ' || p.prosupport::regproc END))
    ) AS property
    UNION ALL
    SELECT 'role', quote_ident(r.rolname), property.*
    FROM pg_roles AS r CROSS JOIN LATERAL (VALUES
        ('attributes', concat_ws(', ', CASE WHEN r.rolcanlogin THEN 'login' ELSE 'no login' END,
            CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolcreaterole THEN 'createrole' END,
            CASE WHEN r.rolcreatedb THEN 'createdb' END, CASE WHEN r.rolreplication THEN 'replication' END,
            CASE WHEN r.rolbypassrls THEN 'bypassrls' END)),
        ('member of', (SELECT string_agg(DISTINCT quote_ident(pg_get_userbyid(m.roleid)), ', ')
                       FROM pg_auth_members AS m WHERE m.member = r.oid)),
        ('members', (SELECT string_agg(DISTINCT quote_ident(pg_get_userbyid(m.member))
                                       || CASE WHEN m.admin_option THEN ' (may add members)' ELSE '' END, ', ')
                     FROM pg_auth_members AS m CROSS JOIN owned WHERE m.roleid = r.oid AND m.member <> owned.by))
    ) AS property
    WHERE r.rolname = ANY ($2)
    UNION ALL
    SELECT 'setting', format('session_replication_role of %s in %s',
               coalesce(quote_ident(pg_get_userbyid(nullif(s.setrole, 0))), 'every role'),
               CASE s.setdatabase WHEN 0 THEN 'every database' ELSE 'this database' END),
           'value', split_part(value, '=', 2)
    FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS value
    WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
      AND starts_with(value, 'session_replication_role=') AND value <> 'session_replication_role=origin'
    UNION ALL
    -- Whatever else stands in the schemas: types, operators, default privileges, extensions and the like.
    SELECT other.type, other.identity, 'is there', 'yes'
    FROM pg_depend AS d JOIN space ON space.oid = d.refobjid AND d.refclassid = 'pg_namespace'::regclass
    CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS other
    WHERE d.classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass)
      AND NOT (d.classid = 'pg_type'::regclass AND d.objid IN (SELECT domain.oid FROM domain))
)
SELECT kind::text, name::text, property::text, value::text FROM found
WHERE value IS NOT NULL AND value <> ''
ORDER BY kind COLLATE "C", name COLLATE "C", property COLLATE "C", value COLLATE "C"
