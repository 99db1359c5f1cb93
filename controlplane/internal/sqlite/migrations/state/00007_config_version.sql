-- What was saved before plugins' configurations had versions is of the first one.

-- +goose Up
UPDATE storages SET schema_version = 1 WHERE schema_version = 0;
