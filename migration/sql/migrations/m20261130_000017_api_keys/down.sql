DROP TABLE banking.api_key_bindings;
DROP TABLE banking.api_keys;
