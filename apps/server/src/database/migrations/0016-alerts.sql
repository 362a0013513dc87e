-- What users are told without asking, when they have read it and whether webhooks were told; and when each wants to be.
CREATE TABLE alerts (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, key TEXT NOT NULL, at BIGINT NOT NULL, read_at BIGINT, told BIGINT NOT NULL DEFAULT 0, doc TEXT NOT NULL);
CREATE INDEX alerts_of_user ON alerts (user_id, id);
CREATE INDEX alerts_unread ON alerts (user_id) WHERE read_at IS NULL;
CREATE INDEX alerts_untold ON alerts (id) WHERE told = 0;
CREATE INDEX alerts_by_key ON alerts (at, key);
CREATE TABLE alert_settings (user_id TEXT PRIMARY KEY, doc TEXT NOT NULL);
