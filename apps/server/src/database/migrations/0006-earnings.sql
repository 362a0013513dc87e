-- What a node has earned is asked every minute by its agent, for the screen of its owner.
CREATE INDEX attempts_earned ON attempts (node) WHERE billed > 0;
