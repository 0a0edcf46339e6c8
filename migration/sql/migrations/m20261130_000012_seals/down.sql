DROP TABLE banking.event_consumers;
DROP TABLE banking.seals;
ALTER TABLE banking.hold_events DROP COLUMN transaction_number;
ALTER TABLE banking.transfers DROP COLUMN transaction_number;
