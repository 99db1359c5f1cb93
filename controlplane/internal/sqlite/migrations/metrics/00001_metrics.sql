-- Times are microseconds since 1970 in UTC. Hosts and runs are numbered, so
-- that a sample and its index entries don't repeat two long texts.

-- +goose Up
CREATE TABLE hosts (
    id      INTEGER NOT NULL PRIMARY KEY,
    host_id TEXT    NOT NULL UNIQUE
);

CREATE TABLE runs (
    id     INTEGER NOT NULL PRIMARY KEY,
    host   BIGINT  NOT NULL,
    run_id TEXT    NOT NULL,
    UNIQUE (host, run_id)
);

CREATE TABLE samples (
    run         BIGINT NOT NULL,
    seq         BIGINT NOT NULL,
    host        BIGINT NOT NULL,
    taken_at    BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    payload     BLOB   NOT NULL,
    PRIMARY KEY (run, seq)
);
CREATE INDEX samples_by_time ON samples (host, taken_at, run, seq);
