-- What operators changed while the market ran, version by version: only ever added to, and each version once.
CREATE TABLE settings_versions (version bigint PRIMARY KEY, by_user text NOT NULL, doc text NOT NULL);
CREATE TRIGGER settings_versions_never_change BEFORE UPDATE OR DELETE ON settings_versions FOR EACH ROW EXECUTE FUNCTION refuse_change('a version of the settings is never changed or deleted');
-- Tokens by which an admin sees what a user sees, of which there are hashes only; and what was asked with each.
CREATE TABLE impersonations (id text PRIMARY KEY, by_user text NOT NULL, user_id text NOT NULL, reason text NOT NULL, token_hash text NOT NULL UNIQUE, session_id text, key_id text, at bigint NOT NULL, expires_at bigint NOT NULL, ended_at bigint);
CREATE INDEX impersonations_of_user ON impersonations (user_id, id);
CREATE TABLE impersonation_reads (impersonation text NOT NULL REFERENCES impersonations (id), route text NOT NULL, count bigint NOT NULL, last_at bigint NOT NULL, PRIMARY KEY (impersonation, route));
