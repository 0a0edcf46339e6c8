-- Verifies the whole chain, and that nothing is missing in it; the findings in the sealed order. No
-- row means no finding. For a long chain, see verify_seals().
CREATE OR REPLACE FUNCTION banking.verify_chain()
RETURNS TABLE (
    check_name text,
    record_kind text,
    record_id uuid,
    record_position bigint,
    seal_number bigint,
    detail text
)
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT finding.* FROM banking.verify_seals(1, 9223372036854775807) AS finding
    UNION ALL
    SELECT finding.* FROM banking.verify_coverage() AS finding
$$;
REVOKE ALL ON FUNCTION banking.verify_chain() FROM PUBLIC;
