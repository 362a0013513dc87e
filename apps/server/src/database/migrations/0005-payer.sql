-- Interruptible work whose place was taken is paid for by the job that took it: its own slot is settled once all the same, by its own job.
ALTER TABLE attempts ADD COLUMN payer TEXT;
DROP INDEX attempts_one_settled;
CREATE UNIQUE INDEX attempts_one_settled ON attempts (job, task, slot) WHERE billed IS NOT NULL AND payer IS NULL;
