-- What somebody wants of a model beside what its files say is JSON.

-- +goose Up
ALTER TABLE models ADD COLUMN options TEXT NOT NULL DEFAULT '';
