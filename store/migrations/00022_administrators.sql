-- +goose Up
-- The identity provider whose claims mark the user as an administrator of the
-- homeserver; '' for none.
ALTER TABLE users ADD COLUMN marked_admin_by TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE users DROP COLUMN marked_admin_by;
