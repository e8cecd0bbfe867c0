-- +goose Up
-- A JWT with which a client has authenticated, so that it cannot do so again
-- (RFC 7523 §3): the hash of the client and the jti.
CREATE TABLE client_assertions (
    id_hash    BYTEA  NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX client_assertions_expires_at ON client_assertions (expires_at);

-- An access token of a client itself (RFC 6749 §4.4): it has no user, no device
-- and no session.
CREATE TABLE client_tokens (
    token_hash BYTEA  NOT NULL PRIMARY KEY,
    client_id  TEXT   NOT NULL,
    scope      TEXT   NOT NULL,
    issued_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX client_tokens_client_id ON client_tokens (client_id);
CREATE INDEX client_tokens_expires_at ON client_tokens (expires_at);

-- +goose Down
DROP TABLE client_tokens;
DROP TABLE client_assertions;
