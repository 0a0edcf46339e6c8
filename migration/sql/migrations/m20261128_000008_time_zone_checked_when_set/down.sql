ALTER TABLE banking.accounts
    ADD CONSTRAINT accounts_time_zone_is_a_name
        CHECK (time_zone ~ '^(UTC|[A-Z][A-Za-z_-]*(/[A-Z][A-Za-z_-]*)+|Etc/GMT([+]([0-9]|1[0-2])|-([0-9]|1[0-4])))$'),
    ADD CONSTRAINT accounts_time_zone_is_known
        CHECK (timezone(time_zone, '2000-01-01 00:00:00+00'::timestamptz) IS NOT NULL);
