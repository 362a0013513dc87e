-- Links that set a new password: only the hash of each is kept. Several may be open at one time, so that nobody who asks for more of them makes those void that its owner has.
CREATE TABLE password_resets (code_hash TEXT PRIMARY KEY, user_id TEXT NOT NULL, asked_at BIGINT NOT NULL, until BIGINT NOT NULL);
CREATE INDEX password_resets_of_user ON password_resets (user_id, until);
CREATE INDEX password_resets_until ON password_resets (until);
