-- +goose Up
-- A client whose sessions have all ended stays for as long as they are
-- remembered.
CREATE INDEX sessions_ended_client_id ON sessions (client_id) WHERE ended_at IS NOT NULL;

-- +goose Down
DROP INDEX sessions_ended_client_id;
