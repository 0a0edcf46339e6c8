DROP TABLE banking.webhook_dead_letters;
DROP TABLE banking.webhook_failures;
DROP TABLE banking.webhook_secrets;
DROP TABLE banking.webhooks;
DELETE FROM banking.event_consumers WHERE consumer_name LIKE 'webhook:%';
