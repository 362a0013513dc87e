-- What sellers have paid out without asking each time; what lowered the record of a node, with the appeal against it; and how the record stood at the end of each day. Beside the documents what is searched by.
CREATE TABLE payout_rules (user_id TEXT PRIMARY KEY, state TEXT NOT NULL, doc TEXT NOT NULL);
CREATE TABLE faults (id TEXT PRIMARY KEY, node TEXT NOT NULL, at BIGINT NOT NULL, appeal TEXT, appealed_at BIGINT, doc TEXT NOT NULL);
CREATE INDEX faults_of_node ON faults (node, at);
CREATE INDEX faults_appealed ON faults (appealed_at, id) WHERE appeal IS NOT NULL;
CREATE TABLE reputation_days (node TEXT NOT NULL, day BIGINT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (node, day));
