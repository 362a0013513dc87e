-- People who work for an account, invitations to it, and what they did; and who made a key or a webhook for an account that is not his.
CREATE TABLE members (account TEXT NOT NULL, user_id TEXT NOT NULL, role TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (account, user_id));
CREATE INDEX members_of_user ON members (user_id) WHERE state = 'active';
CREATE TABLE invitations (id TEXT PRIMARY KEY, account TEXT NOT NULL, code_hash TEXT NOT NULL UNIQUE, state TEXT NOT NULL, expires_at BIGINT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX invitations_open ON invitations (account, id) WHERE state = 'open';
CREATE TABLE member_acts (id TEXT PRIMARY KEY, account TEXT NOT NULL, by_user TEXT NOT NULL, at BIGINT NOT NULL, route TEXT NOT NULL, subject TEXT, request TEXT NOT NULL, address TEXT NOT NULL);
CREATE INDEX member_acts_of_account ON member_acts (account, id);
ALTER TABLE api_keys ADD COLUMN made_by TEXT;
ALTER TABLE webhooks ADD COLUMN made_by TEXT;
-- When a wallet is topped up by itself, and what came of it.
CREATE TABLE auto_topups (user_id TEXT PRIMARY KEY, doc TEXT NOT NULL);
