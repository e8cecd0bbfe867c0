-- +goose Up
-- The picture of a user, as an mxc URI; '' for none.
ALTER TABLE users ADD COLUMN avatar_url TEXT NOT NULL DEFAULT '';

-- Where an identity provider has the picture of a linked account; '' when it has
-- not said.
ALTER TABLE upstream_links ADD COLUMN picture_url TEXT NOT NULL DEFAULT '';

-- Pictures of users, drawn anew from what was sent.
CREATE TABLE pictures (
    -- The last part of the mxc URI.
    id           TEXT   NOT NULL PRIMARY KEY,
    -- Whoever knows it sees the picture.
    public_id    TEXT   NOT NULL UNIQUE,
    localpart    TEXT   NOT NULL REFERENCES users (localpart),
    content_type TEXT   NOT NULL CHECK (content_type IN ('image/jpeg', 'image/png')),
    content      BYTEA  NOT NULL,
    -- What the client called it; '' for none.
    file_name    TEXT   NOT NULL,
    -- The identity provider that it was taken from, and the hash of the URL that
    -- the provider said; NULL when it was sent.
    provider_id  TEXT,
    url_hash     BYTEA,
    created_at   BIGINT NOT NULL,
    -- Since when it is the user's picture; NULL while it is only stored.
    used_at      BIGINT
);
CREATE UNIQUE INDEX pictures_used ON pictures (localpart) WHERE used_at IS NOT NULL;
CREATE INDEX pictures_localpart ON pictures (localpart, created_at);
CREATE INDEX pictures_unused ON pictures (created_at) WHERE used_at IS NULL;

-- +goose Down
DROP TABLE pictures;
ALTER TABLE upstream_links DROP COLUMN picture_url;
ALTER TABLE users DROP COLUMN avatar_url;
