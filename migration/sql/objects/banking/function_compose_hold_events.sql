-- Internal: returns the hold events of a posting function, a JSON array of objects, as one array.
-- The members have the names of the fields of banking.new_hold_event; the amounts are texts, and
-- the place is the position in the array.
CREATE OR REPLACE FUNCTION banking.compose_hold_events(p_hold_events jsonb)
RETURNS banking.new_hold_event[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT jsonb_populate_record(
            NULL::banking.new_hold_event, event.fields || jsonb_build_object('place', event.place)
        )
        FROM jsonb_array_elements(p_hold_events) WITH ORDINALITY AS event (fields, place)
        ORDER BY event.place
    );
END
$$;
REVOKE ALL ON FUNCTION banking.compose_hold_events(jsonb) FROM PUBLIC;
