-- Times are microseconds since 1970 in UTC; a time that is not known is NULL.

-- +goose Up
CREATE TABLE api_keys (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    hint       TEXT   NOT NULL,
    hash       BLOB   NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX api_keys_live_name ON api_keys (name) WHERE revoked_at IS NULL;

CREATE TABLE join_tokens (
    id         TEXT    NOT NULL PRIMARY KEY,
    hash       BLOB    NOT NULL UNIQUE,
    labels     TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    expires_at BIGINT  NOT NULL,
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    revoked_at BIGINT
);

CREATE TABLE hosts (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE,
    public_key    BLOB    NOT NULL,
    labels        TEXT    NOT NULL,
    joined_at     BIGINT  NOT NULL,
    seen_at       BIGINT,
    draining      BOOLEAN NOT NULL,
    facts         TEXT    NOT NULL,
    session_epoch BIGINT  NOT NULL DEFAULT 0
);

CREATE TABLE settings (
    id   INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    json BLOB    NOT NULL
);

CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
