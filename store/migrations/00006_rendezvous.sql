-- +goose Up
-- Where two devices of one person meet (MSC4108, MSC4388): one payload that
-- either of them reads and replaces. What they write is encrypted between them.
CREATE TABLE rendezvous_sessions (
    id_hash    BYTEA  NOT NULL PRIMARY KEY,
    protocol   TEXT   NOT NULL CHECK (protocol IN ('msc4108', 'msc4388')),
    -- The network that began it, for the limit on how many it may have.
    network    TEXT   NOT NULL,
    payload    BYTEA  NOT NULL,
    -- Grows with each write.
    sequence   BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX rendezvous_sessions_expires_at ON rendezvous_sessions (expires_at);
CREATE INDEX rendezvous_sessions_network ON rendezvous_sessions (network);

-- What a write under a transaction id was answered, for a client that asks
-- again. sequence is NULL where the write came too late.
CREATE TABLE rendezvous_writes (
    id_hash          BYTEA  NOT NULL REFERENCES rendezvous_sessions (id_hash) ON DELETE CASCADE,
    transaction_hash BYTEA  NOT NULL,
    sequence         BIGINT,
    PRIMARY KEY (id_hash, transaction_hash)
);

-- +goose Down
DROP TABLE rendezvous_writes;
DROP TABLE rendezvous_sessions;
