DROP TABLE banking.hold_events;
DROP TABLE banking.holds;
DROP TYPE banking.new_hold_event;
DROP DOMAIN banking.hold_event_type;
DROP DOMAIN banking.hold_status;
