-- Other names of a model are a list in JSON.

-- +goose Up
ALTER TABLE models ADD COLUMN aliases TEXT NOT NULL DEFAULT '[]';
