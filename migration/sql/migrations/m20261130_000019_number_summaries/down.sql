ALTER INDEX banking.transfers_transaction_number_index SET (autosummarize = on);
ALTER INDEX banking.hold_events_transaction_number_index SET (autosummarize = on);
