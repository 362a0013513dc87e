-- Who is told what. The secret is sealed with a key that is not in the database.
CREATE TABLE webhooks (
  id TEXT PRIMARY KEY, buyer TEXT NOT NULL, url TEXT NOT NULL, events TEXT NOT NULL, sealed TEXT NOT NULL, created_at INTEGER NOT NULL, since INTEGER NOT NULL, disabled_at INTEGER, disabled_because TEXT, last_delivered_at INTEGER
);
CREATE INDEX webhooks_of_buyer ON webhooks (buyer, id);
-- The outbox: messages to webhooks, made from committed events. Their ids are in the order of the events.
CREATE TABLE deliveries (
  id TEXT PRIMARY KEY, webhook TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE, subject TEXT NOT NULL, type TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, created_at INTEGER NOT NULL,
  tries INTEGER NOT NULL, first_try_at INTEGER, last_try_at INTEGER, next_at INTEGER NOT NULL, status INTEGER, problem TEXT
);
CREATE INDEX deliveries_waiting ON deliveries (webhook, subject, id) WHERE state = 'waiting';
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'waiting';
CREATE INDEX deliveries_of_webhook ON deliveries (webhook, id);
CREATE INDEX deliveries_old ON deliveries (created_at) WHERE state <> 'waiting';
-- How far the events have been looked through. It moves in the transaction that puts what was found into the outbox.
CREATE TABLE webhook_cursor (id TEXT PRIMARY KEY, seq INTEGER NOT NULL);
INSERT INTO webhook_cursor (id, seq) VALUES ('events', 0);
-- Events get a number in the order of commits. SQLite's own row number would do, but VACUUM may give new ones to a table that does not name them; named, it is
-- the same column at no cost.
CREATE TABLE numbered_events (seq INTEGER PRIMARY KEY, job TEXT NOT NULL, version INTEGER NOT NULL, doc TEXT NOT NULL, UNIQUE (job, version));
INSERT INTO numbered_events (job, version, doc) SELECT job, version, doc FROM events ORDER BY rowid;
DROP TABLE events;
ALTER TABLE numbered_events RENAME TO events;
-- Standing requests that were met are told once; those of before are over.
ALTER TABLE standing ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
UPDATE standing SET told = 1 WHERE state <> 'open';
CREATE INDEX standing_untold ON standing (id) WHERE state = 'met' AND told = 0;
