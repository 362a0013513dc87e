-- Who sellers are to a tax office, for their statements: sealed under a key of the server's, so that whoever reads the tables learns only that there is something.
CREATE TABLE tax_details (user_id TEXT PRIMARY KEY, sealed TEXT NOT NULL, set_at BIGINT NOT NULL);
