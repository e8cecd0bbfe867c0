-- +goose Up
-- What servers on one database tell each other about their rate limits. The key
-- is a keyed hash: addresses are personal data.
CREATE TABLE rate_limits (
    key_hash BYTEA  NOT NULL PRIMARY KEY,
    -- When all that was taken has come back (microseconds): from then on the row
    -- says nothing.
    full_at  BIGINT NOT NULL,
    -- By how much the last merge put that off (microseconds).
    added    BIGINT NOT NULL
);
CREATE INDEX rate_limits_full_at ON rate_limits (full_at);

-- +goose Down
DROP TABLE rate_limits;
