-- What the market has learned: about nodes, about nodes like them, about kinds of work. `what` says which; the row's content stands in `doc`.
CREATE TABLE lessons (id TEXT PRIMARY KEY, what TEXT NOT NULL, doc TEXT NOT NULL);
