-- Alerts by mail: who wants them and has proved his address; the outbox of mails; and which alerts went into it. A code is kept as a keyed hash, what must be in
-- a mail sealed. What was raised before nobody asked for by mail.
CREATE TABLE alert_mail (
  user_id TEXT PRIMARY KEY, on_since BIGINT, kinds TEXT, address TEXT, proved_at BIGINT, off_at BIGINT, off_because TEXT,
  code_hash TEXT, code_at BIGINT, code_until BIGINT, code_tries BIGINT NOT NULL DEFAULT 0, codes_from BIGINT, codes_sent BIGINT NOT NULL DEFAULT 0, unwanted_until BIGINT, tested_at BIGINT, last_sent_at BIGINT
);
CREATE TABLE mails (
  id TEXT PRIMARY KEY, user_id TEXT NOT NULL, kind TEXT NOT NULL, address TEXT NOT NULL, sealed TEXT, state TEXT NOT NULL, created_at BIGINT NOT NULL, give_up_at BIGINT NOT NULL,
  tries BIGINT NOT NULL, last_try_at BIGINT, next_at BIGINT NOT NULL, problem TEXT
);
CREATE INDEX mails_due ON mails (next_at) WHERE state = 'waiting';
CREATE INDEX mails_of_user ON mails (user_id, created_at);
CREATE INDEX mails_old ON mails (created_at) WHERE state <> 'waiting';
ALTER TABLE alerts ADD COLUMN mail TEXT;
CREATE INDEX alerts_unmailed ON alerts (user_id, at) WHERE mail IS NULL;
CREATE INDEX alerts_of_mail ON alerts (mail) WHERE mail IS NOT NULL;
