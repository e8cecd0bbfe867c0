-- +goose Up
-- A device that has no browser asks for a login (RFC 8628); a person approves
-- it in a browser of theirs. user_code_hash is keyed: user codes are short.
CREATE TABLE device_grants (
    device_code_hash  BYTEA  NOT NULL PRIMARY KEY,
    user_code_hash    BYTEA  NOT NULL UNIQUE,
    -- The session that the device code begins.
    session_id        TEXT   NOT NULL,
    client_id         TEXT   NOT NULL,
    device_id         TEXT,
    scope             TEXT   NOT NULL,
    -- Where the request came from, for the person to compare.
    requester_address TEXT   NOT NULL,
    requester_agent   TEXT   NOT NULL,
    poll_interval     BIGINT NOT NULL,
    last_poll_at      BIGINT,
    state             TEXT   NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'redeemed')),
    -- Who approved or denied it.
    localpart         TEXT REFERENCES users (localpart),
    provider_id       TEXT,
    upstream_issuer   TEXT,
    upstream_subject  TEXT,
    auth_time         BIGINT,
    created_at        BIGINT NOT NULL,
    expires_at        BIGINT NOT NULL,
    redeemed_at       BIGINT
);
CREATE INDEX device_grants_expires_at ON device_grants (expires_at);
CREATE INDEX device_grants_client_id ON device_grants (client_id);

-- The kind 'device' is new: the person who typed a user code on the page. SQLite
-- cannot change a CHECK, so the table is made anew.
CREATE TABLE authorization_requests_with_devices (
    id_hash          BYTEA  NOT NULL PRIMARY KEY,
    kind             TEXT   NOT NULL CHECK (kind IN ('oauth', 'sso', 'device')),
    browser_hash     BYTEA  NOT NULL,
    client_id        TEXT,
    params           TEXT   NOT NULL,
    created_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    localpart        TEXT REFERENCES users (localpart),
    provider_id      TEXT,
    upstream_issuer  TEXT,
    upstream_subject TEXT,
    auth_time        BIGINT,
    completed_at     BIGINT
);
INSERT INTO authorization_requests_with_devices (id_hash, kind, browser_hash, client_id, params, created_at, expires_at,
        localpart, provider_id, upstream_issuer, upstream_subject, auth_time, completed_at)
    SELECT id_hash, kind, browser_hash, client_id, params, created_at, expires_at,
        localpart, provider_id, upstream_issuer, upstream_subject, auth_time, completed_at
    FROM authorization_requests;
DROP TABLE authorization_requests;
ALTER TABLE authorization_requests_with_devices RENAME TO authorization_requests;
CREATE INDEX authorization_requests_expires_at ON authorization_requests (expires_at);

-- +goose Down
-- The wider CHECK stays: it refuses nothing that the narrower one took.
DELETE FROM authorization_requests WHERE kind = 'device';
DROP TABLE device_grants;
