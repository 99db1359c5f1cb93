-- What was asked and answered is apart from the requests, so that lists of those
-- do not read past it.

-- +goose Up
CREATE TABLE captures (
    number      INTEGER NOT NULL PRIMARY KEY, -- of the request, as the next two
    id          TEXT    NOT NULL,
    at          BIGINT  NOT NULL,
    request     BLOB    NOT NULL,
    request_cut BOOLEAN NOT NULL,
    answer      BLOB    NOT NULL,
    answer_cut  BOOLEAN NOT NULL
);
CREATE INDEX captures_by_id ON captures (id);
CREATE INDEX captures_by_time ON captures (at);
