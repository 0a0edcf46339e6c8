-- Only functions change fencing tokens and leases.
GRANT SELECT ON concurrency.lock_names, concurrency.lock_leases, concurrency.v_held_locks TO neobank_app, neobank_read;
GRANT EXECUTE ON FUNCTION concurrency.lock_key(text, text) TO neobank_app, neobank_read;
GRANT EXECUTE ON FUNCTION
    concurrency.take_locks(text[], text[], integer, boolean),
    concurrency.check_fencing_token(text, text),
    concurrency.acquire_lease(text, text, uuid, integer, integer),
    concurrency.renew_lease(text, text, uuid, bigint, integer),
    concurrency.release_lease(text, text, uuid, bigint),
    concurrency.delete_lock_names(double precision, integer),
    concurrency.acquire_customer_lock(uuid, integer),
    concurrency.release_customer_lock(uuid)
    TO neobank_app;
