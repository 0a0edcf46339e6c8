-- The group roles stay: they belong to the cluster, and other databases may use them.
DROP SCHEMA concurrency;
DROP SCHEMA pooling;
DROP SCHEMA banking;
