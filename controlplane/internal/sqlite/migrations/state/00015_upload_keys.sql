-- +goose Up
-- An upload that is begun again under the same key of the same caller is the same one.
ALTER TABLE uploads ADD COLUMN begun_under TEXT NOT NULL DEFAULT '';
ALTER TABLE uploads ADD COLUMN begun_with TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX uploads_by_key ON uploads (owner_id, begun_under) WHERE begun_under <> '';
