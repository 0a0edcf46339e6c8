-- Posts the transfers of a list that the database accepts, and returns the others with the
-- database's errors. One call replaces a transaction for each half, quarter and eighth of the list.
-- The caller holds the locks of all accounts. A transfer that shares an account with an earlier
-- rejected or skipped one is skipped, because it was decided on other balances; the caller decides
-- on it again. The function returns a row for each transfer that is not posted, with its place in
-- the list, and without a code for a skipped one. The transfers of a group are posted together or
-- not at all. So is a list with hold events, which belongs to one request: a request that the
-- database rejects is a row with the place 1. The function raises errors that no single
-- transfer causes: a lock timeout, a full disk, a cancelled statement.
CREATE OR REPLACE FUNCTION banking.post_unless_rejected(
    p_transfer_id uuid[],
    p_transfer_type text[],
    p_amount numeric[],
    p_currency_code text[],
    p_description text[],
    p_idempotency_key text[],
    p_request_hash bytea[],
    p_posted_at timestamptz[],
    p_from_account_id uuid[],
    p_from_entry_number bigint[],
    p_from_balance numeric[],
    p_debit_id uuid[],
    p_debit_description text[],
    p_to_account_id uuid[],
    p_to_entry_number bigint[],
    p_to_balance numeric[],
    p_credit_id uuid[],
    p_credit_description text[],
    p_group_id uuid[] DEFAULT NULL,
    p_reverses_transfer_id uuid[] DEFAULT NULL,
    p_hold_id uuid[] DEFAULT NULL,
    p_actor text[] DEFAULT NULL,
    p_metadata jsonb[] DEFAULT NULL,
    p_value_date date[] DEFAULT NULL,
    p_hold_events jsonb DEFAULT NULL
) RETURNS TABLE (
    place integer,
    rejected_sqlstate text,
    rejected_message text,
    rejected_detail text,
    rejected_hint text,
    rejected_schema text,
    rejected_table text,
    rejected_column text,
    rejected_constraint text
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- What is still to be posted, in its order, and how many of these are tried together.
    v_places integer[] := ARRAY(SELECT generate_series(1, cardinality(p_transfer_id)));
    v_together integer := cardinality(p_transfer_id);
    -- So many of the first have one among them that is rejected; 0 where that is not known.
    v_suspect integer := 0;
    v_tried integer[];
    v_kept integer[];
    v_place integer;
    v_unsettled uuid[] := '{}';
    -- The number of transfers that begin the list and are posted together or not at all.
    v_unit integer;
BEGIN
    IF p_hold_events IS NOT NULL THEN
        v_places := '{1}';
    END IF;
    WHILE cardinality(v_places) > 0 LOOP
        v_tried := v_places[1:v_together];
        BEGIN
            -- What a bank defers to the commit has to be found out here. The function's own inserts need it deferred.
            SET CONSTRAINTS ALL DEFERRED;
            IF p_hold_events IS NOT NULL THEN
                PERFORM banking.post_transfers(
                    p_transfer_id, p_transfer_type, p_amount, p_currency_code, p_description,
                    p_idempotency_key, p_request_hash, p_posted_at, p_from_account_id,
                    p_from_entry_number, p_from_balance, p_debit_id, p_debit_description,
                    p_to_account_id, p_to_entry_number, p_to_balance, p_credit_id,
                    p_credit_description, p_group_id, p_reverses_transfer_id, p_hold_id, p_actor,
                    p_metadata, p_value_date, p_hold_events
                );
                SET CONSTRAINTS ALL IMMEDIATE;
                RETURN;
            END IF;
            PERFORM banking.post_transfers(
                ARRAY(SELECT p_transfer_id[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_transfer_type[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_amount[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_currency_code[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_description[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_idempotency_key[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_request_hash[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_posted_at[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_from_account_id[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_from_entry_number[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_from_balance[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_debit_id[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_debit_description[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_to_account_id[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_to_entry_number[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_to_balance[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_credit_id[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                ARRAY(SELECT p_credit_description[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o),
                CASE WHEN p_group_id IS NOT NULL THEN
                    ARRAY(SELECT p_group_id[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o)
                END,
                CASE WHEN p_reverses_transfer_id IS NOT NULL THEN
                    ARRAY(SELECT p_reverses_transfer_id[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o)
                END,
                CASE WHEN p_hold_id IS NOT NULL THEN
                    ARRAY(SELECT p_hold_id[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o)
                END,
                CASE WHEN p_actor IS NOT NULL THEN
                    ARRAY(SELECT p_actor[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o)
                END,
                CASE WHEN p_metadata IS NOT NULL THEN
                    ARRAY(SELECT p_metadata[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o)
                END,
                CASE WHEN p_value_date IS NOT NULL THEN
                    ARRAY(SELECT p_value_date[n] FROM unnest(v_tried) WITH ORDINALITY AS t (n, o) ORDER BY o)
                END
            );
            SET CONSTRAINTS ALL IMMEDIATE;
            v_places := v_places[v_together + 1:];
            v_suspect := greatest(v_suspect - v_together, 0);
        EXCEPTION
            WHEN OTHERS THEN
                -- 08, 25, 40, 53, 55, 57, 58, XX: of the session, the transaction or the server, not of a transfer.
                IF left(SQLSTATE, 2) = ANY ('{08,25,40,53,55,57,58,XX}') THEN
                    RAISE;
                END IF;
                GET STACKED DIAGNOSTICS
                    rejected_sqlstate = RETURNED_SQLSTATE,
                    rejected_message = MESSAGE_TEXT,
                    rejected_detail = PG_EXCEPTION_DETAIL,
                    rejected_hint = PG_EXCEPTION_HINT,
                    rejected_schema = SCHEMA_NAME,
                    rejected_table = TABLE_NAME,
                    rejected_column = COLUMN_NAME,
                    rejected_constraint = CONSTRAINT_NAME;
                IF p_hold_events IS NOT NULL THEN
                    place := 1;
                    RETURN NEXT;
                    RETURN;
                END IF;
                v_suspect := v_together;
        END;
        -- The transfers of a group follow each other.
        v_unit := 1;
        WHILE p_group_id[v_places[v_unit]] = p_group_id[v_places[v_unit + 1]] LOOP
            v_unit := v_unit + 1;
        END LOOP;
        IF v_suspect > 0 AND v_suspect <= v_unit THEN
            -- The first transfer of a group has the error; the others are skipped.
            FOREACH place IN ARRAY v_places[1:v_unit] LOOP
                RETURN NEXT;
                v_unsettled := v_unsettled || p_from_account_id[place] || p_to_account_id[place];
                rejected_sqlstate := NULL;
            END LOOP;
            v_kept := '{}';
            FOREACH v_place IN ARRAY v_places[v_unit + 1:] LOOP
                IF p_from_account_id[v_place] = ANY (v_unsettled)
                    OR p_to_account_id[v_place] = ANY (v_unsettled)
                    OR EXISTS (
                        SELECT FROM unnest(v_places[v_unit + 1:]) AS member (n)
                        WHERE p_group_id[member.n] = p_group_id[v_place]
                          AND (p_from_account_id[member.n] = ANY (v_unsettled)
                               OR p_to_account_id[member.n] = ANY (v_unsettled))
                    )
                THEN
                    v_unsettled := v_unsettled || p_from_account_id[v_place] || p_to_account_id[v_place];
                    place := v_place;
                    RETURN NEXT;
                ELSE
                    v_kept := v_kept || v_place;
                END IF;
            END LOOP;
            v_places := v_kept;
            v_suspect := 0;
            v_unit := 1;
        END IF;
        IF v_suspect = 0 THEN
            v_together := cardinality(v_places);
        ELSE
            v_together := greatest(v_suspect / 2, 1);
            WHILE p_group_id[v_places[v_together]] = p_group_id[v_places[v_together + 1]] LOOP
                v_together := v_together + 1;
            END LOOP;
            IF v_together >= v_suspect THEN
                v_together := v_unit;
            END IF;
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION banking.post_unless_rejected(
    uuid[], text[], numeric[], text[], text[], text[], bytea[], timestamptz[],
    uuid[], bigint[], numeric[], uuid[], text[], uuid[], bigint[], numeric[], uuid[], text[],
    uuid[], uuid[], uuid[], text[], jsonb[], date[], jsonb
) FROM PUBLIC;
