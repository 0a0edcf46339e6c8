-- The sealer summarises the new ranges of these indexes with each call. A worker of autovacuum does so
-- only once a minute, and not more than 256 ranges: until then each call read all new pages again,
-- and the server logged a line for each range that found no place in the list.
ALTER INDEX banking.transfers_transaction_number_index SET (autosummarize = off);
ALTER INDEX banking.hold_events_transaction_number_index SET (autosummarize = off);
