CREATE TABLE banking.api_keys (
    api_key_id uuid PRIMARY KEY,
    key_name text NOT NULL
        CONSTRAINT api_keys_name_length CHECK (length(key_name) BETWEEN 1 AND 100),
    key_prefix text NOT NULL UNIQUE
        CONSTRAINT api_keys_prefix_form CHECK (key_prefix ~ '^nb_[0-9a-f]{12}$'),
    key_hash bytea NOT NULL
        CONSTRAINT api_keys_hash_length CHECK (octet_length(key_hash) = 32),
    scopes text NOT NULL
        CONSTRAINT api_keys_scopes_form CHECK (scopes ~ '^[a-z:]+( [a-z:]+)*$' AND length(scopes) <= 1000),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by banking.actor NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    revoked_by banking.actor,
    CONSTRAINT api_keys_expire_after_creation CHECK (expires_at > created_at),
    CONSTRAINT api_keys_revoked_by_an_actor CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
COMMENT ON TABLE banking.api_keys IS 'The keys of programs that call the service. The functions create_api_key(), revoke_api_key() and note_api_key_use() write it.';
COMMENT ON COLUMN banking.api_keys.key_name IS 'The name of the program, for people.';
COMMENT ON COLUMN banking.api_keys.key_prefix IS 'The part of the key that is no secret, by which it is found.';
COMMENT ON COLUMN banking.api_keys.key_hash IS 'The SHA-256 of the whole key. The key itself is 256 random bits and is stored nowhere.';
COMMENT ON COLUMN banking.api_keys.scopes IS 'The permissions, such as accounts:read, with a space between them.';
COMMENT ON COLUMN banking.api_keys.created_by IS 'The person or program that created the key.';
COMMENT ON COLUMN banking.api_keys.expires_at IS 'The time from which the key is invalid; null for none.';
COMMENT ON COLUMN banking.api_keys.last_used_at IS 'The time of the last use, to about a minute; null before the first.';
COMMENT ON COLUMN banking.api_keys.revoked_at IS 'The time of the revocation; null for a key that is in force.';
COMMENT ON COLUMN banking.api_keys.revoked_by IS 'The person or program that revoked the key.';

-- No foreign keys to customers and accounts: accounts are updated by every transfer, and neither is
-- ever deleted.
CREATE TABLE banking.api_key_bindings (
    api_key_id uuid NOT NULL REFERENCES banking.api_keys (api_key_id),
    binding_number integer NOT NULL,
    customer_id uuid,
    account_id uuid,
    PRIMARY KEY (api_key_id, binding_number),
    CONSTRAINT api_key_bindings_name_one_object CHECK (num_nonnulls(customer_id, account_id) = 1)
);
COMMENT ON TABLE banking.api_key_bindings IS 'The customers and accounts to which a key is limited. A key without any may use all of them.';
COMMENT ON COLUMN banking.api_key_bindings.binding_number IS 'The number of the binding within its key, from 1.';
COMMENT ON COLUMN banking.api_key_bindings.customer_id IS 'The customer whose accounts the key may use; null for the binding to an account.';
COMMENT ON COLUMN banking.api_key_bindings.account_id IS 'The account that the key may use; null for the binding to a customer.';
