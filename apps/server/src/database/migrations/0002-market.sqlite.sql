-- The market's own tables. Every row's full content stands in `doc` (one JSON text, the row as domain knows it); columns beside it are what
-- SQL asks for or forbids. Money moves only by postings, and the database keeps the balances itself. Tables with documents keep SQLite's rowid: a
-- document inside of an index page (WITHOUT ROWID) made inserts three times slower when measured.

CREATE TABLE writer (region TEXT PRIMARY KEY, epoch INTEGER NOT NULL, holder TEXT NOT NULL, beat INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE jobs (
  id TEXT PRIMARY KEY, buyer TEXT NOT NULL, state TEXT NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
  cap INTEGER NOT NULL, cost INTEGER NOT NULL CHECK (cost >= 0), version INTEGER NOT NULL,
  spec TEXT NOT NULL, doc TEXT NOT NULL, CHECK (cost <= cap)
);
CREATE INDEX jobs_live ON jobs (id) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_of_buyer ON jobs (buyer, id);

CREATE TABLE tasks (job TEXT NOT NULL, idx INTEGER NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (job, idx));

CREATE TABLE attempts (
  id TEXT PRIMARY KEY, job TEXT NOT NULL, task INTEGER NOT NULL, slot INTEGER NOT NULL, fence INTEGER NOT NULL, node TEXT NOT NULL, seller TEXT NOT NULL,
  state TEXT NOT NULL, live INTEGER NOT NULL, billed INTEGER, fee INTEGER, ended_at INTEGER, tick_seq INTEGER NOT NULL, released INTEGER NOT NULL DEFAULT 0, doc TEXT NOT NULL
);
-- Whatever the engine believes: one fence is given once, one attempt of a slot is live, one attempt of a slot is settled. The first
-- of these indexes also finds the attempts of a job.
CREATE UNIQUE INDEX attempts_fence ON attempts (job, task, slot, fence);
CREATE UNIQUE INDEX attempts_one_live ON attempts (job, task, slot) WHERE live = 1;
CREATE UNIQUE INDEX attempts_one_settled ON attempts (job, task, slot) WHERE billed IS NOT NULL;
CREATE INDEX attempts_unreleased ON attempts (ended_at) WHERE billed > 0 AND released = 0;

CREATE TABLE nodes (id TEXT PRIMARY KEY, owner TEXT NOT NULL, public_key TEXT NOT NULL UNIQUE, session INTEGER NOT NULL, lease_gen INTEGER NOT NULL, doc TEXT NOT NULL);
CREATE INDEX nodes_of_owner ON nodes (owner, id);
CREATE TRIGGER nodes_fences_only_grow BEFORE UPDATE ON nodes WHEN NEW.session < OLD.session OR NEW.lease_gen < OLD.lease_gen
BEGIN SELECT RAISE(ABORT, 'a node''s session and lease generation only grow'); END;

CREATE TABLE quotes (id TEXT PRIMARY KEY, buyer TEXT NOT NULL, valid_until INTEGER NOT NULL, doc TEXT NOT NULL);
CREATE TABLE enrolments (id TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, expires_at INTEGER NOT NULL, doc TEXT NOT NULL);
CREATE TABLE idempotency (id TEXT PRIMARY KEY, body_hash TEXT NOT NULL, subject TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE accounts (id TEXT PRIMARY KEY, balance INTEGER NOT NULL, CHECK (balance >= 0 OR id LIKE 'external:%')) WITHOUT ROWID;
-- A movement from one account to another cannot be out of balance; so no entry can.
CREATE TABLE postings (
  entry TEXT NOT NULL, line INTEGER NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, job TEXT, attempt TEXT,
  debit TEXT NOT NULL, credit TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount > 0), PRIMARY KEY (entry, line), CHECK (debit <> credit)
) WITHOUT ROWID;
CREATE INDEX postings_debit ON postings (debit, at) WHERE debit NOT LIKE 'escrow:%' AND debit <> 'platform:fee';
CREATE INDEX postings_credit ON postings (credit, at) WHERE credit NOT LIKE 'escrow:%' AND credit <> 'platform:fee';
CREATE TRIGGER postings_move AFTER INSERT ON postings BEGIN
  INSERT OR IGNORE INTO accounts (id, balance) VALUES (NEW.debit, 0), (NEW.credit, 0);
  UPDATE accounts SET balance = balance - NEW.amount WHERE id = NEW.debit;
  UPDATE accounts SET balance = balance + NEW.amount WHERE id = NEW.credit;
END;
CREATE TRIGGER postings_never_change BEFORE UPDATE ON postings BEGIN SELECT RAISE(ABORT, 'a posting is never changed; post its reverse'); END;
CREATE TRIGGER postings_never_go BEFORE DELETE ON postings BEGIN SELECT RAISE(ABORT, 'a posting is never deleted; post its reverse'); END;

-- Events of one job that were committed together stand in one row; `version` is that of the last.
CREATE TABLE events (job TEXT NOT NULL, version INTEGER NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (job, version));
CREATE TABLE ticks (attempt TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL, doc TEXT NOT NULL, seal TEXT, leaf INTEGER, PRIMARY KEY (attempt, seq));
CREATE TABLE seals (id TEXT PRIMARY KEY, node TEXT NOT NULL, doc TEXT NOT NULL);

-- The origin design's name for attempts.
CREATE VIEW job_assignments AS SELECT id, job AS job_id, node AS node_id, state AS status, ended_at AS completed_at FROM attempts;
