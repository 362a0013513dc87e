-- When whoever holds a session last showed a password (and a code, where the account has a second factor): what admins change asks for it anew after a
-- while. Sessions from before this are old.
ALTER TABLE sessions ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;
