-- What operators find jobs by: the digest of the image, the node of an attempt, and the states that few jobs end in. The digest stands beside the document, because an index may
-- not look into one on both databases.
ALTER TABLE jobs ADD COLUMN image TEXT;
UPDATE jobs SET image = split_part(spec::json->>'image', '@', 2) WHERE spec::json->>'image' IS NOT NULL;
CREATE INDEX jobs_of_image ON jobs (image, id) WHERE image IS NOT NULL;
CREATE INDEX jobs_cancelled ON jobs (id) WHERE state = 'cancelled';
CREATE INDEX jobs_expired ON jobs (id) WHERE state = 'expired';
CREATE INDEX jobs_ended ON jobs (ended_at, state) WHERE ended_at IS NOT NULL;
CREATE INDEX attempts_of_node ON attempts (node, job, id);
