-- Hosts are a JSON list; a hash is the state of a sha256 that goes on from there.

-- +goose Up
CREATE TABLE uploads (
    id           TEXT   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    description  TEXT   NOT NULL,
    storage      TEXT   NOT NULL,
    hosts        TEXT   NOT NULL,
    quantize     TEXT   NOT NULL,
    filename     TEXT   NOT NULL,
    size_bytes   BIGINT NOT NULL,
    sha256       TEXT   NOT NULL,
    owner_id     TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    offset_bytes BIGINT NOT NULL,
    hash         BLOB,
    problem      TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
