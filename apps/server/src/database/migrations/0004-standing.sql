-- Standing requests: who wants to be told when nodes with room appear.
CREATE TABLE standing (id TEXT PRIMARY KEY, buyer TEXT NOT NULL, state TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX standing_of_buyer ON standing (buyer, id);
CREATE INDEX standing_open ON standing (id) WHERE state = 'open';
