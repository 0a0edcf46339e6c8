DROP TABLE concurrency.lock_leases;
DROP TABLE concurrency.lock_names;
DROP SEQUENCE concurrency.fencing_token_floor;
