DROP TABLE concurrency.deadlock_log;
DROP TABLE concurrency.mvcc_demo;
