-- Files, labels and what a loader said of a model are JSON.

-- +goose Up
CREATE TABLE models (
    canonical   TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    files       TEXT    NOT NULL,
    loader      TEXT    NOT NULL,
    info        TEXT    NOT NULL,
    quantize    TEXT    NOT NULL,
    digest      TEXT    NOT NULL,
    pinned      BOOLEAN NOT NULL,
    labels      TEXT    NOT NULL,
    problem     TEXT    NOT NULL,
    everywhere  BOOLEAN NOT NULL,
    deleted_at  BIGINT,
    purge_at    BIGINT,
    created_at  BIGINT  NOT NULL,
    changed_at  BIGINT  NOT NULL
);

CREATE TABLE placements (
    model    TEXT    NOT NULL,
    host_id  TEXT    NOT NULL,
    instance TEXT    NOT NULL,
    wanted   BOOLEAN NOT NULL,
    cached   BOOLEAN NOT NULL,
    digest   TEXT    NOT NULL,
    since    BIGINT  NOT NULL,
    PRIMARY KEY (model, host_id, instance)
);

CREATE TABLE operations (
    id         TEXT   NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT,
    body       TEXT   NOT NULL
);

CREATE INDEX operations_by_time ON operations (created_at);
