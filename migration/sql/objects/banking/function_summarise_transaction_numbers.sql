-- Internal: summarises the new ranges of the block range indexes by which the sealer finds its
-- records, so that its next call reads only the pages of later records. While a vacuum or the
-- creation of an index works on the tables, it leaves that to a later call.
CREATE OR REPLACE FUNCTION banking.summarise_transaction_numbers()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    LOCK TABLE banking.transfers, banking.hold_events IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
    PERFORM brin_summarize_new_values('banking.transfers_transaction_number_index'),
            brin_summarize_new_values('banking.hold_events_transaction_number_index');
EXCEPTION WHEN lock_not_available THEN
    NULL;
END
$$;
REVOKE ALL ON FUNCTION banking.summarise_transaction_numbers() FROM PUBLIC;
