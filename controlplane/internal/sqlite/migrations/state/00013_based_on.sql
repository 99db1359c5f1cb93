-- Other digests are a JSON list.

-- +goose Up
ALTER TABLE uploads ADD COLUMN based_on TEXT NOT NULL DEFAULT '';
ALTER TABLE models ADD COLUMN other_digests TEXT NOT NULL DEFAULT '[]';
