-- Times are microseconds since 1970 in UTC, durations microseconds. Requests
-- are added up by the hour as they are stored, so that totals cost as much as
-- there are keys, models and hosts, and not as many as there were requests.

-- +goose Up
CREATE TABLE requests (
    number     INTEGER NOT NULL PRIMARY KEY,
    id         TEXT    NOT NULL,
    at         BIGINT  NOT NULL,
    key_id     TEXT    NOT NULL,
    key_name   TEXT    NOT NULL,
    asked      TEXT    NOT NULL,
    model      TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    host_id    TEXT    NOT NULL,
    host       TEXT    NOT NULL,
    instance   TEXT    NOT NULL,
    dialect    TEXT    NOT NULL,
    route      TEXT    NOT NULL,
    streamed   BOOLEAN NOT NULL,
    outcome    TEXT    NOT NULL,
    error      TEXT    NOT NULL,
    queued     BIGINT  NOT NULL,
    load       BIGINT,
    first      BIGINT,
    total      BIGINT  NOT NULL,
    prompt     BIGINT,
    generated  BIGINT,
    per_second DOUBLE PRECISION
);
CREATE INDEX requests_by_time ON requests (at, number);
CREATE INDEX requests_by_key ON requests (key_id, at, number);

CREATE TABLE totals (
    hour         BIGINT NOT NULL,
    key_id       TEXT   NOT NULL,
    model        TEXT   NOT NULL,
    host_id      TEXT   NOT NULL,
    key_name     TEXT   NOT NULL,
    host         TEXT   NOT NULL,
    requests     BIGINT NOT NULL,
    failed       BIGINT NOT NULL,
    given_up     BIGINT NOT NULL,
    counted      BIGINT NOT NULL,
    prompt       BIGINT NOT NULL,
    generated    BIGINT NOT NULL,
    total        BIGINT NOT NULL,
    firsts       BIGINT NOT NULL,
    first        BIGINT NOT NULL,
    PRIMARY KEY (hour, key_id, model, host_id)
);
