-- Configurations and secrets are JSON objects.

-- +goose Up
CREATE TABLE storages (
    name           TEXT    NOT NULL PRIMARY KEY,
    plugin         TEXT    NOT NULL,
    config         TEXT    NOT NULL,
    secrets        TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    created_at     BIGINT  NOT NULL,
    changed_at     BIGINT  NOT NULL
);
