-- +goose Up
-- What the account pages show beside what was there: where a session and a
-- device were used from last, and which browser has approved a session.
-- browser_hash is the SHA-256 of that browser's cookie, and NULL where it is
-- not known.
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN last_seen_address TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN browser_hash BYTEA;
ALTER TABLE authorization_codes ADD COLUMN browser_hash BYTEA;
ALTER TABLE login_tokens ADD COLUMN browser_hash BYTEA;
ALTER TABLE browser_sessions ADD COLUMN browser_hash BYTEA;

-- Up to when a person knows of the sign-ins to their account; NULL before they
-- have said so.
ALTER TABLE users ADD COLUMN sign_ins_known_at BIGINT;

-- What the person is called there, as the identity provider said last.
ALTER TABLE upstream_links ADD COLUMN account_name TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE upstream_links DROP COLUMN account_name;
ALTER TABLE users DROP COLUMN sign_ins_known_at;
ALTER TABLE browser_sessions DROP COLUMN browser_hash;
ALTER TABLE login_tokens DROP COLUMN browser_hash;
ALTER TABLE authorization_codes DROP COLUMN browser_hash;
ALTER TABLE sessions DROP COLUMN browser_hash;
ALTER TABLE devices DROP COLUMN last_seen_address;
ALTER TABLE sessions DROP COLUMN address;
