DROP TABLE concurrency.lock_leases;
DROP TABLE concurrency.lock_names;
