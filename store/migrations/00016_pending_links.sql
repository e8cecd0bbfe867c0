-- +goose Up
-- Somebody has signed in at an identity provider with an account that is linked
-- to nobody, in this browser, and may link it to a user once they have proved
-- that the user is theirs. Sealed are the account, the user, and what waits for
-- the sign-in.
CREATE TABLE pending_links (
    id_hash      BYTEA  NOT NULL PRIMARY KEY,
    browser_hash BYTEA  NOT NULL,
    link_sealed  BYTEA  NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX pending_links_expires_at ON pending_links (expires_at);

-- +goose Down
DROP TABLE pending_links;
