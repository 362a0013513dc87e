-- What operators changed while the market ran, version by version: only ever added to, and each version once.
CREATE TABLE settings_versions (version INTEGER PRIMARY KEY, by_user TEXT NOT NULL, doc TEXT NOT NULL);
CREATE TRIGGER settings_versions_never_change BEFORE UPDATE ON settings_versions BEGIN SELECT RAISE(ABORT, 'a version of the settings is never changed'); END;
CREATE TRIGGER settings_versions_never_go BEFORE DELETE ON settings_versions BEGIN SELECT RAISE(ABORT, 'a version of the settings is never deleted'); END;
