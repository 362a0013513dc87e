-- A second factor per user. The secret is sealed with a key that is not in the database; of recovery codes there are keyed hashes only. `last_step` is the
-- newest step of time whose code was taken: a code works once.
CREATE TABLE second_factors (user_id TEXT PRIMARY KEY REFERENCES users (id), sealed TEXT NOT NULL, last_step BIGINT NOT NULL, created_at BIGINT NOT NULL, confirmed_at BIGINT);
CREATE TABLE recovery_codes (user_id TEXT NOT NULL REFERENCES users (id), code_hash TEXT NOT NULL, used_at BIGINT, PRIMARY KEY (user_id, code_hash));
-- Where a session came from, for its owner's eyes.
ALTER TABLE sessions ADD COLUMN address TEXT;
ALTER TABLE sessions ADD COLUMN client TEXT;
-- Programs that wait to be signed in. Both codes as hashes.
CREATE TABLE device_logins (
  id TEXT PRIMARY KEY, device_hash TEXT NOT NULL UNIQUE, user_hash TEXT NOT NULL UNIQUE, client TEXT NOT NULL, address TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL,
  state TEXT NOT NULL, user_id TEXT REFERENCES users (id), polled_at BIGINT NOT NULL, interval_ms BIGINT NOT NULL
);
CREATE INDEX device_logins_old ON device_logins (expires_at);
