-- +goose Up
-- The public keys of end-to-end encryption, as clients upload them. They go
-- with their device, whatever makes it go. The keys are canonical JSON.
CREATE TABLE device_keys (
    localpart TEXT NOT NULL,
    device_id TEXT NOT NULL,
    keys      TEXT NOT NULL,
    PRIMARY KEY (localpart, device_id),
    FOREIGN KEY (localpart, device_id) REFERENCES devices (localpart, device_id) ON DELETE CASCADE
);

CREATE TABLE one_time_keys (
    localpart  TEXT   NOT NULL,
    device_id  TEXT   NOT NULL,
    algorithm  TEXT   NOT NULL,
    key_id     TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (localpart, device_id, algorithm, key_id),
    FOREIGN KEY (localpart, device_id) REFERENCES devices (localpart, device_id) ON DELETE CASCADE
);

-- What is given out when the one-time keys of an algorithm are used up.
CREATE TABLE fallback_keys (
    localpart TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id    TEXT NOT NULL,
    key       TEXT NOT NULL,
    PRIMARY KEY (localpart, device_id, algorithm),
    FOREIGN KEY (localpart, device_id) REFERENCES devices (localpart, device_id) ON DELETE CASCADE
);

-- key_id is the public key.
CREATE TABLE cross_signing_keys (
    localpart TEXT   NOT NULL REFERENCES users (localpart),
    key_usage TEXT   NOT NULL CHECK (key_usage IN ('master', 'self_signing', 'user_signing')),
    key_id    TEXT   NOT NULL,
    key       TEXT   NOT NULL,
    set_at    BIGINT NOT NULL,
    PRIMARY KEY (localpart, key_usage)
);
CREATE UNIQUE INDEX cross_signing_keys_key_id ON cross_signing_keys (localpart, key_id);

-- The self-signing key's signature on a device, or a device's on the master
-- key. target is what was signed, and device_id the device of the two.
CREATE TABLE key_signatures (
    localpart TEXT NOT NULL,
    target    TEXT NOT NULL,
    key_id    TEXT NOT NULL,
    device_id TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (localpart, target, key_id),
    FOREIGN KEY (localpart, device_id) REFERENCES devices (localpart, device_id) ON DELETE CASCADE
);
CREATE INDEX key_signatures_device_id ON key_signatures (localpart, device_id);

-- +goose Down
DROP TABLE key_signatures;
DROP TABLE cross_signing_keys;
DROP TABLE fallback_keys;
DROP TABLE one_time_keys;
DROP TABLE device_keys;
