-- +goose Up
-- A link that an administrator approves before the person signs in for the first
-- time: whoever has all the claims, exactly, becomes the user. It is used once.
CREATE TABLE associations (
    id          TEXT   NOT NULL PRIMARY KEY,
    provider_id TEXT   NOT NULL,
    -- A JSON object, the names in order.
    claims      TEXT   NOT NULL,
    -- One of the claims, as name=value, by which it is found.
    match_key   TEXT   NOT NULL,
    localpart   TEXT   NOT NULL REFERENCES users (localpart),
    created_at  BIGINT NOT NULL,
    UNIQUE (provider_id, claims)
);
CREATE INDEX associations_match_key ON associations (provider_id, match_key);
CREATE INDEX associations_localpart ON associations (localpart);

-- +goose Down
DROP TABLE associations;
