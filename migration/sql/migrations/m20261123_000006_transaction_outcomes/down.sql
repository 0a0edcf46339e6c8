DROP TABLE concurrency.transaction_outcomes;
