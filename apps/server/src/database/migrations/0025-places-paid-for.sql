-- What was spent is summed with what was paid for places that were taken, which are few among all postings: found by their job, without a look at the others.
CREATE INDEX postings_displace ON postings (job, at) WHERE kind = 'displace';
