-- What operators changed while the market ran, version by version: only ever added to, and each version once.
CREATE TABLE settings_versions (version INTEGER PRIMARY KEY, by_user TEXT NOT NULL, doc TEXT NOT NULL);
CREATE TRIGGER settings_versions_never_change BEFORE UPDATE ON settings_versions BEGIN SELECT RAISE(ABORT, 'a version of the settings is never changed'); END;
CREATE TRIGGER settings_versions_never_go BEFORE DELETE ON settings_versions BEGIN SELECT RAISE(ABORT, 'a version of the settings is never deleted'); END;
-- Tokens by which an admin sees what a user sees, of which there are hashes only; and what was asked with each.
CREATE TABLE impersonations (id TEXT PRIMARY KEY, by_user TEXT NOT NULL, user_id TEXT NOT NULL, reason TEXT NOT NULL, token_hash TEXT NOT NULL UNIQUE, session_id TEXT, key_id TEXT, at INTEGER NOT NULL, expires_at INTEGER NOT NULL, ended_at INTEGER);
CREATE INDEX impersonations_of_user ON impersonations (user_id, id);
CREATE TABLE impersonation_reads (impersonation TEXT NOT NULL REFERENCES impersonations (id), route TEXT NOT NULL, count INTEGER NOT NULL, last_at INTEGER NOT NULL, PRIMARY KEY (impersonation, route));
