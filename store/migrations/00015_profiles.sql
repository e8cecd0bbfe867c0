-- +goose Up
-- When what others see of a user changed last; NULL before it ever did.
ALTER TABLE users ADD COLUMN profile_changed_at BIGINT;

-- +goose Down
ALTER TABLE users DROP COLUMN profile_changed_at;
