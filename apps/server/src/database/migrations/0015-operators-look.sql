-- What operators look for: entries of a span of time (revenue, the signed export), and what was given up for good. The time of an entry only grows, so the first of these is written at
-- its end alone; the other two hold only what failed.
CREATE INDEX postings_at ON postings (at);
CREATE INDEX jobs_failed ON jobs (id) WHERE state = 'failed';
CREATE INDEX deliveries_failed ON deliveries (id) WHERE state = 'failed';
