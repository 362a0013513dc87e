-- What sellers owe for results that were shown to be wrong; beside the document what is searched by. One per wrong result.
CREATE TABLE forfeits (id TEXT PRIMARY KEY, owner TEXT NOT NULL, state TEXT NOT NULL, at BIGINT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX forfeits_of_owner ON forfeits (owner, at);
CREATE INDEX forfeits_due ON forfeits (id) WHERE state = 'due';
