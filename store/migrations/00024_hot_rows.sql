-- Lines that begin with two hyphens and "postgres" are for PostgreSQL alone.

-- +goose Up
-- Every refresh writes a new version of a session's row, and every look at a device
-- one of the device's. Where their page has room for it, no index is written.
--postgres ALTER TABLE sessions SET (fillfactor = 85);
--postgres ALTER TABLE devices SET (fillfactor = 90);

-- +goose Down
--postgres ALTER TABLE devices RESET (fillfactor);
--postgres ALTER TABLE sessions RESET (fillfactor);
