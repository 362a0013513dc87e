-- Interruptible work whose place was taken is paid for by the job that took it.
ALTER TABLE attempts ADD COLUMN payer TEXT;
