-- +goose Up
-- An upload may be of several files, whose bytes come one after the other.
ALTER TABLE uploads ADD COLUMN files TEXT NOT NULL DEFAULT '[]';
UPDATE uploads SET files = json_array(json_object('name', filename, 'size_bytes', size_bytes, 'sha256', sha256));
ALTER TABLE uploads DROP COLUMN filename;
ALTER TABLE uploads DROP COLUMN sha256;
