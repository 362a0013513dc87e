-- What a member does outside of the engine has its line before it is done: 1 until the market has seen how it ended.
ALTER TABLE member_acts ADD COLUMN open BIGINT;
