-- Schedules: jobs that are made again and again, at the times of a cron.
CREATE TABLE schedules (id TEXT PRIMARY KEY, buyer TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX schedules_of_buyer ON schedules (buyer, id);
CREATE INDEX schedules_kept ON schedules (id) WHERE state <> 'removed';
-- Jobs with names and parameters, as their buyer keeps them.
CREATE TABLE templates (buyer TEXT NOT NULL, name TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (buyer, name));
