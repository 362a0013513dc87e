-- Filters of lists under names, as their users keep them.
CREATE TABLE saved_filters (user_id TEXT NOT NULL, name TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (user_id, name));
