-- +goose Up
-- Somebody has just signed in afresh at an identity provider, in one browser,
-- to be allowed one change. detail says what exactly is to be changed, and is
-- empty where purpose says it all.
CREATE TABLE proofs (
    browser_hash     BYTEA  NOT NULL,
    localpart        TEXT   NOT NULL REFERENCES users (localpart),
    purpose          TEXT   NOT NULL,
    detail           TEXT   NOT NULL,
    provider_id      TEXT   NOT NULL,
    upstream_issuer  TEXT   NOT NULL,
    upstream_subject TEXT   NOT NULL,
    auth_time        BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    PRIMARY KEY (browser_hash, localpart, purpose, detail)
);
CREATE INDEX proofs_localpart ON proofs (localpart);
CREATE INDEX proofs_expires_at ON proofs (expires_at);

-- A client wants to do what needs a person's approval (user-interactive
-- authentication). The id that it was given is answered again while it lives.
CREATE TABLE uia_sessions (
    session_id TEXT   NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    id_hash    BYTEA  NOT NULL,
    id_sealed  BYTEA  NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX uia_sessions_id_hash ON uia_sessions (id_hash);
CREATE INDEX uia_sessions_expires_at ON uia_sessions (expires_at);

-- A person has approved that the cross-signing keys are replaced by one
-- session (MSC4312).
CREATE TABLE reset_approvals (
    session_id  TEXT   NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    localpart   TEXT   NOT NULL REFERENCES users (localpart),
    approved_at BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX reset_approvals_localpart ON reset_approvals (localpart);
CREATE INDEX reset_approvals_expires_at ON reset_approvals (expires_at);

-- +goose Down
DROP TABLE reset_approvals;
DROP TABLE uia_sessions;
DROP TABLE proofs;
