-- +goose Up
CREATE TABLE login_links (
    hash       BLOB   NOT NULL PRIMARY KEY,
    key_id     TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    spent_at   BIGINT
);
