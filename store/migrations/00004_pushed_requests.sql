-- +goose Up
-- An authorization request that a client has pushed (RFC 9126) and no browser
-- has brought yet.
CREATE TABLE pushed_requests (
    uri_hash   BYTEA  NOT NULL PRIMARY KEY,
    client_id  TEXT   NOT NULL,
    params     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX pushed_requests_expires_at ON pushed_requests (expires_at);

-- What a person has approved for a client, one row for each scope token, where
-- an approval is remembered. The client can be one of the configuration file.
CREATE TABLE consents (
    localpart   TEXT   NOT NULL REFERENCES users (localpart),
    client_id   TEXT   NOT NULL,
    scope       TEXT   NOT NULL,
    approved_at BIGINT NOT NULL,
    PRIMARY KEY (localpart, client_id, scope)
);
CREATE INDEX consents_client_id ON consents (client_id);

-- +goose Down
DROP TABLE consents;
DROP TABLE pushed_requests;
