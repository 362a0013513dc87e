-- What accounts outside of the market say: statements that operators handed in, their lines (each once, however many statements have it), and which line stands in which statement, so that
-- one that was handed in by mistake can be withdrawn.
CREATE TABLE outside_statements (id TEXT PRIMARY KEY, account TEXT NOT NULL, from_day BIGINT NOT NULL, to_day BIGINT NOT NULL, withdrawn_at BIGINT, doc TEXT NOT NULL);
CREATE INDEX outside_statements_of_account ON outside_statements (account, id);
CREATE TABLE outside_lines (id TEXT PRIMARY KEY, account TEXT NOT NULL, key TEXT NOT NULL, day BIGINT NOT NULL, reference TEXT NOT NULL, amount BIGINT NOT NULL CHECK (amount <> 0), own TEXT, UNIQUE (account, key));
CREATE TABLE outside_statement_lines (statement TEXT NOT NULL REFERENCES outside_statements (id), line TEXT NOT NULL REFERENCES outside_lines (id), PRIMARY KEY (statement, line));
CREATE INDEX outside_statement_lines_of_line ON outside_statement_lines (line);
-- What operators settled by hand: a line is an entry, or a mismatch needs nothing done. Taken back, it stays here with the time.
CREATE TABLE mismatch_settlements (id TEXT PRIMARY KEY, account TEXT NOT NULL, how TEXT NOT NULL, key TEXT NOT NULL, line TEXT, entry TEXT, reopened_at BIGINT, doc TEXT NOT NULL);
CREATE UNIQUE INDEX mismatch_settlements_open ON mismatch_settlements (account, key) WHERE reopened_at IS NULL;
CREATE UNIQUE INDEX mismatch_links_of_line ON mismatch_settlements (line) WHERE how = 'linked' AND reopened_at IS NULL;
CREATE UNIQUE INDEX mismatch_links_of_entry ON mismatch_settlements (account, entry) WHERE how = 'linked' AND reopened_at IS NULL;
