-- +goose Up
-- Work for others that a change causes, written in the transaction of that
-- change and done afterwards by any server: at least once, and one at a time in
-- a lane, in the order of position.
CREATE TABLE jobs (
    id              TEXT   NOT NULL PRIMARY KEY,
    kind            TEXT   NOT NULL,
    lane            TEXT   NOT NULL,
    position        BIGINT NOT NULL,
    -- JSON, with no secret in it.
    payload         TEXT   NOT NULL,
    secret_sealed   BYTEA,
    state           TEXT   NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
    attempts        BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    -- Who is at it, and until when nobody else may be.
    lease_owner     TEXT,
    lease_ends_at   BIGINT,
    last_error      TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    finished_at     BIGINT
);
CREATE INDEX jobs_lane ON jobs (lane, position);
CREATE INDEX jobs_next_attempt_at ON jobs (next_attempt_at) WHERE state = 'waiting';
CREATE INDEX jobs_finished_at ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- +goose Down
DROP TABLE jobs;
