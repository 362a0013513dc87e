-- What is kept of an interrupted attempt is paid for, too: at most once per fence, which is given once. A slot's result is still settled once.
-- For such a part, tick_seq names the tick of its checkpoint: that one must be sealed before the seller is paid.
ALTER TABLE attempts ADD COLUMN part BIGINT NOT NULL DEFAULT 0;
DROP INDEX attempts_one_settled;
CREATE UNIQUE INDEX attempts_one_settled ON attempts (job, task, slot, part) WHERE billed IS NOT NULL AND payer IS NULL;
