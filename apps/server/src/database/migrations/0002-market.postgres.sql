-- The market's own tables; see the SQLite twin for what each is. The two differ in types and in how the balances are kept: here one statement
-- trigger moves the sums of a whole batch, because a row trigger would cost more than all the rest of a commit.

CREATE TABLE writer (region text PRIMARY KEY, epoch bigint NOT NULL, holder text NOT NULL, beat bigint NOT NULL);

CREATE TABLE jobs (
  id text PRIMARY KEY, buyer text NOT NULL, state text NOT NULL, created_at bigint NOT NULL, ended_at bigint,
  cap bigint NOT NULL, cost bigint NOT NULL CHECK (cost >= 0), version bigint NOT NULL, spec text NOT NULL, doc text NOT NULL, CHECK (cost <= cap)
);
CREATE INDEX jobs_live ON jobs (id) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_of_buyer ON jobs (buyer, id);

CREATE TABLE tasks (job text NOT NULL, idx integer NOT NULL, doc text NOT NULL, PRIMARY KEY (job, idx));

CREATE TABLE attempts (
  id text PRIMARY KEY, job text NOT NULL, task integer NOT NULL, slot integer NOT NULL, fence bigint NOT NULL, node text NOT NULL, seller text NOT NULL,
  state text NOT NULL, live integer NOT NULL, billed bigint, fee bigint, ended_at bigint, tick_seq integer NOT NULL, released integer NOT NULL DEFAULT 0, doc text NOT NULL
);
CREATE UNIQUE INDEX attempts_fence ON attempts (job, task, slot, fence);
CREATE UNIQUE INDEX attempts_one_live ON attempts (job, task, slot) WHERE live = 1;
CREATE UNIQUE INDEX attempts_one_settled ON attempts (job, task, slot) WHERE billed IS NOT NULL;
CREATE INDEX attempts_unreleased ON attempts (ended_at) WHERE billed > 0 AND released = 0;

CREATE TABLE nodes (id text PRIMARY KEY, owner text NOT NULL, public_key text NOT NULL UNIQUE, session bigint NOT NULL, lease_gen bigint NOT NULL, doc text NOT NULL);
CREATE INDEX nodes_of_owner ON nodes (owner, id);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END $$;
CREATE TRIGGER nodes_fences_only_grow BEFORE UPDATE ON nodes FOR EACH ROW WHEN (NEW.session < OLD.session OR NEW.lease_gen < OLD.lease_gen)
  EXECUTE FUNCTION refuse_change('a node''s session and lease generation only grow');

CREATE TABLE quotes (id text PRIMARY KEY, buyer text NOT NULL, valid_until bigint NOT NULL, doc text NOT NULL);
CREATE TABLE enrolments (id text PRIMARY KEY, token_hash text NOT NULL UNIQUE, expires_at bigint NOT NULL, doc text NOT NULL);
CREATE TABLE idempotency (id text PRIMARY KEY, body_hash text NOT NULL, subject text NOT NULL, at bigint NOT NULL);

CREATE TABLE accounts (id text PRIMARY KEY, balance bigint NOT NULL, CHECK (balance >= 0 OR id LIKE 'external:%'));
CREATE TABLE postings (
  entry text NOT NULL, line integer NOT NULL, kind text NOT NULL, at bigint NOT NULL, job text, attempt text,
  debit text NOT NULL, credit text NOT NULL, amount bigint NOT NULL CHECK (amount > 0), PRIMARY KEY (entry, line), CHECK (debit <> credit)
);
CREATE INDEX postings_debit ON postings (debit, at) WHERE debit NOT LIKE 'escrow:%' AND debit <> 'platform:fee';
CREATE INDEX postings_credit ON postings (credit, at) WHERE credit NOT LIKE 'escrow:%' AND credit <> 'platform:fee';
CREATE FUNCTION move_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO accounts (id, balance) SELECT debit, 0 FROM fresh UNION SELECT credit, 0 FROM fresh ON CONFLICT DO NOTHING;
  UPDATE accounts SET balance = balance + moved.by
    FROM (SELECT id, sum(by) AS by FROM (SELECT debit AS id, -amount AS by FROM fresh UNION ALL SELECT credit, amount FROM fresh) lines GROUP BY id) moved
    WHERE accounts.id = moved.id;
  RETURN NULL;
END $$;
CREATE TRIGGER postings_move AFTER INSERT ON postings REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION move_balances();
CREATE TRIGGER postings_never_change BEFORE UPDATE OR DELETE ON postings FOR EACH ROW EXECUTE FUNCTION refuse_change('a posting is never changed or deleted; post its reverse');

CREATE TABLE events (job text NOT NULL, version bigint NOT NULL, doc text NOT NULL, PRIMARY KEY (job, version));
CREATE TABLE ticks (attempt text NOT NULL, seq integer NOT NULL, hash text NOT NULL, doc text NOT NULL, seal text, leaf integer, PRIMARY KEY (attempt, seq));
CREATE TABLE seals (id text PRIMARY KEY, node text NOT NULL, doc text NOT NULL);

CREATE VIEW job_assignments AS SELECT id, job AS job_id, node AS node_id, state AS status, ended_at AS completed_at FROM attempts;
