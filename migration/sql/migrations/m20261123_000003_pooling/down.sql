DROP TABLE pooling.pool_stats;
