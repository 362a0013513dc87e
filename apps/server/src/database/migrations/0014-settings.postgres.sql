-- What operators changed while the market ran, version by version: only ever added to, and each version once.
CREATE TABLE settings_versions (version bigint PRIMARY KEY, by_user text NOT NULL, doc text NOT NULL);
CREATE TRIGGER settings_versions_never_change BEFORE UPDATE OR DELETE ON settings_versions FOR EACH ROW EXECUTE FUNCTION refuse_change('a version of the settings is never changed or deleted');
