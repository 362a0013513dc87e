-- What operators changed while the market ran, version by version: only ever added to, and each version once.
CREATE TABLE settings_versions (version INTEGER PRIMARY KEY, by_user TEXT NOT NULL, doc TEXT NOT NULL);
CREATE TRIGGER settings_versions_never_change BEFORE UPDATE ON settings_versions BEGIN SELECT RAISE(ABORT, 'a version of the settings is never changed'); END;
CREATE TRIGGER settings_versions_never_go BEFORE DELETE ON settings_versions BEGIN SELECT RAISE(ABORT, 'a version of the settings is never deleted'); END;
-- Tokens by which an admin sees what a user sees, of which there are hashes only; and what was asked with each.
CREATE TABLE impersonations (id TEXT PRIMARY KEY, by_user TEXT NOT NULL, user_id TEXT NOT NULL, reason TEXT NOT NULL, token_hash TEXT NOT NULL UNIQUE, session_id TEXT, key_id TEXT, at INTEGER NOT NULL, expires_at INTEGER NOT NULL, ended_at INTEGER);
CREATE INDEX impersonations_of_user ON impersonations (user_id, id);
CREATE TABLE impersonation_reads (impersonation TEXT NOT NULL REFERENCES impersonations (id), route TEXT NOT NULL, count INTEGER NOT NULL, last_at INTEGER NOT NULL, PRIMARY KEY (impersonation, route));
-- What users are told without asking, when they have read it and whether webhooks were told; and when each wants to be.
CREATE TABLE alerts (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, read_at INTEGER, told INTEGER NOT NULL DEFAULT 0, doc TEXT NOT NULL);
CREATE INDEX alerts_of_user ON alerts (user_id, id);
CREATE INDEX alerts_unread ON alerts (user_id) WHERE read_at IS NULL;
CREATE INDEX alerts_untold ON alerts (id) WHERE told = 0;
CREATE INDEX alerts_by_key ON alerts (at, key);
CREATE TABLE alert_settings (user_id TEXT PRIMARY KEY, doc TEXT NOT NULL);
