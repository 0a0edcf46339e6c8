-- Internal: rejects transfers that name a hold without an event that records the capture.
CREATE OR REPLACE FUNCTION banking.require_captures(p_transfer_id uuid[]) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM unnest(p_transfer_id) AS posted (transfer_id)
        CROSS JOIN LATERAL (
            SELECT FROM banking.transfers AS transfer
            WHERE transfer.transfer_id = posted.transfer_id
              AND transfer.hold_id IS NOT NULL
              AND NOT EXISTS (
                  SELECT FROM banking.hold_events AS event
                  WHERE event.transfer_id = transfer.transfer_id
                    AND event.event_type = 'captured'
                    AND event.hold_id = transfer.hold_id
              )
            OFFSET 0
        ) AS uncaptured
    ) THEN
        RAISE EXCEPTION 'a transfer names a hold that it does not capture'
            USING ERRCODE = 'NB002', HINT = 'Pass an event with each capture to post_transfers().';
    END IF;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION banking.require_captures(uuid[]) FROM PUBLIC;
