-- +goose Up
-- The oldest version whose program may run on these tables, beside newer ones. A
-- migration that takes away or changes what such a program uses makes the view
-- anew, with the version from which on no program uses it.
CREATE VIEW oldest_program AS SELECT CAST(22 AS BIGINT) AS version;

-- +goose Down
DROP VIEW oldest_program;
