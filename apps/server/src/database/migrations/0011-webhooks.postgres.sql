-- See the SQLite twin for what each is. Events are numbered as they are inserted; there is one writer and one commit at a time, so the numbers are in the
-- order of the commits.
CREATE TABLE webhooks (
  id text PRIMARY KEY, buyer text NOT NULL, url text NOT NULL, events text NOT NULL, sealed text NOT NULL, created_at bigint NOT NULL, since bigint NOT NULL, disabled_at bigint, disabled_because text, last_delivered_at bigint
);
CREATE INDEX webhooks_of_buyer ON webhooks (buyer, id);
CREATE TABLE deliveries (
  id text PRIMARY KEY, webhook text NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE, subject text NOT NULL, type text NOT NULL, body text NOT NULL, state text NOT NULL, created_at bigint NOT NULL,
  tries integer NOT NULL, first_try_at bigint, last_try_at bigint, next_at bigint NOT NULL, status integer, problem text
);
CREATE INDEX deliveries_waiting ON deliveries (webhook, subject, id) WHERE state = 'waiting';
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'waiting';
CREATE INDEX deliveries_of_webhook ON deliveries (webhook, id);
CREATE INDEX deliveries_old ON deliveries (created_at) WHERE state <> 'waiting';
CREATE TABLE webhook_cursor (id text PRIMARY KEY, seq bigint NOT NULL);
INSERT INTO webhook_cursor (id, seq) VALUES ('events', 0);
ALTER TABLE events ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY;
CREATE UNIQUE INDEX events_seq ON events (seq);
ALTER TABLE standing ADD COLUMN told integer NOT NULL DEFAULT 0;
UPDATE standing SET told = 1 WHERE state <> 'open';
CREATE INDEX standing_untold ON standing (id) WHERE state = 'met' AND told = 0;
