-- +goose Up
-- The language of the pages on which the person signed in last, as BCP 47 has
-- it; '' where it is not known.
ALTER TABLE users ADD COLUMN language TEXT NOT NULL DEFAULT '';

-- Whether somebody signs in from a browser that they have signed in from before.
CREATE INDEX sessions_browser_hash ON sessions (browser_hash) WHERE browser_hash IS NOT NULL;

-- +goose Down
DROP INDEX sessions_browser_hash;
ALTER TABLE users DROP COLUMN language;
