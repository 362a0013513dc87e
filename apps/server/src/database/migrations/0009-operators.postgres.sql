-- Payouts, reversals, incidents, and what admins did. `admin_actions` is only ever added to.
CREATE TABLE payouts (id text PRIMARY KEY, user_id text NOT NULL, state text NOT NULL, amount bigint NOT NULL CHECK (amount > 0), doc text NOT NULL);
CREATE INDEX payouts_of_user ON payouts (user_id, id);
CREATE INDEX payouts_open ON payouts (id) WHERE state IN ('requested', 'sent');
CREATE TRIGGER payouts_end_once BEFORE UPDATE ON payouts FOR EACH ROW WHEN (OLD.state IN ('paid', 'failed') AND NEW.state <> OLD.state) EXECUTE FUNCTION refuse_change('a payout ends once');
CREATE TABLE reversals (id text PRIMARY KEY, entry text NOT NULL, state text NOT NULL, attempt text, doc text NOT NULL);
-- Whatever the engine believes: of one entry, one reversal waits or is done.
CREATE UNIQUE INDEX reversals_once ON reversals (entry) WHERE state IN ('proposed', 'done');
CREATE TABLE incidents (id text PRIMARY KEY, state text NOT NULL, doc text NOT NULL);
CREATE TABLE admin_actions (id text PRIMARY KEY, at bigint NOT NULL, by_user text NOT NULL, action text NOT NULL, subject text NOT NULL, doc text NOT NULL);
CREATE INDEX admin_actions_by ON admin_actions (by_user, id);
CREATE INDEX admin_actions_on ON admin_actions (subject, id);
CREATE TRIGGER admin_actions_never_change BEFORE UPDATE OR DELETE ON admin_actions FOR EACH ROW EXECUTE FUNCTION refuse_change('what an admin did is never changed or deleted');
ALTER TABLE users ADD COLUMN suspended text;
CREATE INDEX users_suspended ON users (id) WHERE suspended IS NOT NULL;
CREATE INDEX attempts_unreleased_of_seller ON attempts (seller, ended_at) WHERE billed > 0 AND released = 0;
-- The demo provider's own book: what it did with each payout it was asked for. It stands for the world outside.
CREATE TABLE demo_payouts (id text PRIMARY KEY, destination text NOT NULL, amount bigint NOT NULL, at bigint NOT NULL, refused text);
