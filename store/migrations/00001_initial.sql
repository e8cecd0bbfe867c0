-- Times are Unix milliseconds. Columns named *_hash hold the SHA-256 of a
-- bearer secret (32 bytes), *_sealed what was encrypted with the secret file.
-- One text for both databases: BYTEA is PostgreSQL's name, and a blob stays a
-- blob in a SQLite column of any name.

-- +goose Up
CREATE TABLE server_secrets (
    purpose      TEXT   NOT NULL PRIMARY KEY,
    value_sealed BYTEA  NOT NULL,
    created_at   BIGINT NOT NULL
);

CREATE TABLE oidc_signingkey (
    kid          TEXT   NOT NULL PRIMARY KEY,
    alg          TEXT   NOT NULL,
    state        TEXT   NOT NULL CHECK (state IN ('next', 'active', 'retiring')),
    not_before   BIGINT NOT NULL,
    retire_after BIGINT,
    key_sealed   BYTEA  NOT NULL,
    created_at   BIGINT NOT NULL
);
-- Of servers that start at once, one makes the key and the others read it.
CREATE UNIQUE INDEX oidc_signingkey_active ON oidc_signingkey (alg) WHERE state = 'active';

CREATE TABLE users (
    localpart      TEXT   NOT NULL PRIMARY KEY,
    display_name   TEXT   NOT NULL,
    email          TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    locked_at      BIGINT,
    suspended_at   BIGINT,
    deactivated_at BIGINT
);

CREATE TABLE upstream_links (
    provider_id TEXT   NOT NULL,
    issuer      TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    localpart   TEXT   NOT NULL REFERENCES users (localpart),
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (provider_id, issuer, subject)
);
CREATE INDEX upstream_links_localpart ON upstream_links (localpart);

CREATE TABLE clients (
    id            TEXT   NOT NULL PRIMARY KEY,
    metadata      TEXT   NOT NULL,
    -- Hash of the canonical metadata. NULL for a client that owns a secret:
    -- such a client is never given to a second caller.
    metadata_hash BYTEA,
    secret_hash   BYTEA,
    created_at    BIGINT NOT NULL,
    last_used_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX clients_metadata_hash ON clients (metadata_hash) WHERE metadata_hash IS NOT NULL;
CREATE INDEX clients_last_used_at ON clients (last_used_at);

CREATE TABLE browser_sessions (
    id_hash          BYTEA  NOT NULL PRIMARY KEY,
    localpart        TEXT   NOT NULL REFERENCES users (localpart),
    provider_id      TEXT   NOT NULL,
    upstream_issuer  TEXT   NOT NULL,
    upstream_subject TEXT   NOT NULL,
    auth_time        BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL
);
CREATE INDEX browser_sessions_localpart ON browser_sessions (localpart);
CREATE INDEX browser_sessions_expires_at ON browser_sessions (expires_at);

-- A request of an OAuth client (kind 'oauth') or of a legacy client
-- (kind 'sso') on its way through the identity provider and the person's
-- approval, tied to one browser.
CREATE TABLE authorization_requests (
    id_hash          BYTEA  NOT NULL PRIMARY KEY,
    kind             TEXT   NOT NULL CHECK (kind IN ('oauth', 'sso')),
    browser_hash     BYTEA  NOT NULL,
    client_id        TEXT,
    params           TEXT   NOT NULL,
    created_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    -- Set by the callback of the identity provider.
    localpart        TEXT REFERENCES users (localpart),
    provider_id      TEXT,
    upstream_issuer  TEXT,
    upstream_subject TEXT,
    auth_time        BIGINT,
    -- Set once, by the person's answer.
    completed_at     BIGINT
);
CREATE INDEX authorization_requests_expires_at ON authorization_requests (expires_at);

-- A person is at an identity provider.
CREATE TABLE upstream_logins (
    state_hash   BYTEA  NOT NULL PRIMARY KEY,
    browser_hash BYTEA  NOT NULL,
    provider_id  TEXT   NOT NULL,
    -- The authorization request's id, the PKCE verifier and the nonce.
    state_sealed BYTEA  NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX upstream_logins_expires_at ON upstream_logins (expires_at);

CREATE TABLE authorization_codes (
    code_hash             BYTEA  NOT NULL PRIMARY KEY,
    -- The session that the exchange of this code begins.
    session_id            TEXT   NOT NULL,
    client_id             TEXT   NOT NULL,
    localpart             TEXT   NOT NULL REFERENCES users (localpart),
    device_id             TEXT,
    scope                 TEXT   NOT NULL,
    redirect_uri          TEXT   NOT NULL,
    code_challenge        TEXT   NOT NULL,
    code_challenge_method TEXT   NOT NULL,
    nonce                 TEXT   NOT NULL,
    provider_id           TEXT   NOT NULL,
    upstream_issuer       TEXT   NOT NULL,
    upstream_subject      TEXT   NOT NULL,
    auth_time             BIGINT NOT NULL,
    created_at            BIGINT NOT NULL,
    expires_at            BIGINT NOT NULL,
    redeemed_at           BIGINT
);
CREATE INDEX authorization_codes_expires_at ON authorization_codes (expires_at);

CREATE TABLE login_tokens (
    token_hash       BYTEA  NOT NULL PRIMARY KEY,
    localpart        TEXT   NOT NULL REFERENCES users (localpart),
    provider_id      TEXT   NOT NULL,
    upstream_issuer  TEXT   NOT NULL,
    upstream_subject TEXT   NOT NULL,
    auth_time        BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL
);
CREATE INDEX login_tokens_expires_at ON login_tokens (expires_at);

CREATE TABLE devices (
    localpart        TEXT   NOT NULL REFERENCES users (localpart),
    device_id        TEXT   NOT NULL,
    display_name     TEXT   NOT NULL,
    -- NULL for a device of a legacy login: those with a client are the OIDC
    -- devices of MSC4312.
    client_id        TEXT,
    provider_id      TEXT,
    upstream_issuer  TEXT,
    upstream_subject TEXT,
    created_at       BIGINT NOT NULL,
    last_seen_at     BIGINT NOT NULL,
    PRIMARY KEY (localpart, device_id)
);

-- One login of one client. The refresh tokens live here: of a session only the
-- current one and its predecessor can ever be accepted, so no row per rotation
-- is needed; an older one is recognised by the MAC that it carries.
CREATE TABLE sessions (
    id                    TEXT   NOT NULL PRIMARY KEY,
    kind                  TEXT   NOT NULL CHECK (kind IN ('oauth', 'legacy')),
    localpart             TEXT   NOT NULL REFERENCES users (localpart),
    device_id             TEXT,
    client_id             TEXT,
    scope                 TEXT   NOT NULL,
    provider_id           TEXT   NOT NULL,
    upstream_issuer       TEXT   NOT NULL,
    upstream_subject      TEXT   NOT NULL,
    auth_time             BIGINT NOT NULL,
    created_at            BIGINT NOT NULL,
    -- Counts the rotations. An access token belongs to the generation that it
    -- was issued in.
    generation            BIGINT NOT NULL,
    -- First use of an access token of the current generation. From then on the
    -- previous refresh token is refused.
    generation_used_at    BIGINT,
    refresh_hash          BYTEA,
    previous_refresh_hash BYTEA,
    -- What the successor of the current (previous) refresh token is derived
    -- from, beside that token itself and the server's token secret.
    successor_seed        BYTEA,
    previous_seed         BYTEA,
    rotated_at            BIGINT NOT NULL,
    refresh_expires_at    BIGINT,
    ended_at              BIGINT,
    end_reason            TEXT,
    ended_by              TEXT
);
-- A device has one live session (CS-API, "Relationship between access tokens and devices").
CREATE UNIQUE INDEX sessions_live_device ON sessions (localpart, device_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_client_id ON sessions (client_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended_at ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_refresh_expires_at ON sessions (refresh_expires_at) WHERE ended_at IS NULL;

CREATE TABLE access_tokens (
    token_hash BYTEA  NOT NULL PRIMARY KEY,
    session_id TEXT   NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    issued_at  BIGINT NOT NULL,
    -- NULL for a token that never expires: of a legacy client that cannot
    -- refresh.
    expires_at BIGINT
);
CREATE INDEX access_tokens_session_id ON access_tokens (session_id);
CREATE INDEX access_tokens_expires_at ON access_tokens (expires_at);

CREATE TABLE audit_events (
    id         TEXT   NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    action     TEXT   NOT NULL,
    localpart  TEXT,
    device_id  TEXT,
    session_id TEXT,
    client_id  TEXT,
    -- Who did it: the person, the client, the server itself, an administrator.
    actor      TEXT   NOT NULL,
    reason     TEXT   NOT NULL
);
CREATE INDEX audit_events_localpart ON audit_events (localpart, at);

-- +goose Down
DROP TABLE audit_events;
DROP TABLE access_tokens;
DROP TABLE sessions;
DROP TABLE devices;
DROP TABLE login_tokens;
DROP TABLE authorization_codes;
DROP TABLE upstream_logins;
DROP TABLE authorization_requests;
DROP TABLE browser_sessions;
DROP TABLE clients;
DROP TABLE upstream_links;
DROP TABLE users;
DROP TABLE oidc_signingkey;
DROP TABLE server_secrets;
