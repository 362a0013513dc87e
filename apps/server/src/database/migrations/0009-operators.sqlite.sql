-- Payouts, reversals, incidents, and what admins did. `admin_actions` is only ever added to.
CREATE TABLE payouts (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, state TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount > 0), doc TEXT NOT NULL);
CREATE INDEX payouts_of_user ON payouts (user_id, id);
CREATE INDEX payouts_open ON payouts (id) WHERE state IN ('requested', 'sent');
CREATE TRIGGER payouts_end_once BEFORE UPDATE ON payouts WHEN OLD.state IN ('paid', 'failed') AND NEW.state <> OLD.state BEGIN SELECT RAISE(ABORT, 'a payout ends once'); END;
CREATE TABLE reversals (id TEXT PRIMARY KEY, entry TEXT NOT NULL, state TEXT NOT NULL, attempt TEXT, doc TEXT NOT NULL);
-- Whatever the engine believes: of one entry, one reversal waits or is done.
CREATE UNIQUE INDEX reversals_once ON reversals (entry) WHERE state IN ('proposed', 'done');
CREATE TABLE incidents (id TEXT PRIMARY KEY, state TEXT NOT NULL, doc TEXT NOT NULL);
CREATE TABLE admin_actions (id TEXT PRIMARY KEY, at INTEGER NOT NULL, by_user TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX admin_actions_by ON admin_actions (by_user, id);
CREATE INDEX admin_actions_on ON admin_actions (subject, id);
CREATE TRIGGER admin_actions_never_change BEFORE UPDATE ON admin_actions BEGIN SELECT RAISE(ABORT, 'what an admin did is never changed'); END;
CREATE TRIGGER admin_actions_never_go BEFORE DELETE ON admin_actions BEGIN SELECT RAISE(ABORT, 'what an admin did is never deleted'); END;
ALTER TABLE users ADD COLUMN suspended TEXT;
CREATE INDEX users_suspended ON users (id) WHERE suspended IS NOT NULL;
CREATE INDEX attempts_unreleased_of_seller ON attempts (seller, ended_at) WHERE billed > 0 AND released = 0;
-- The demo provider's own book: what it did with each payout it was asked for. It stands for the world outside.
CREATE TABLE demo_payouts (id TEXT PRIMARY KEY, destination TEXT NOT NULL, amount INTEGER NOT NULL, at INTEGER NOT NULL, refused TEXT);
