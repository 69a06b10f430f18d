-- Grows with each change of the products, so that what was read of them is known to be old.
INSERT INTO setting (key, value) VALUES ('catalogue', '0') ON CONFLICT (key) DO NOTHING;

CREATE TRIGGER product_was_added AFTER INSERT ON product
BEGIN
    UPDATE setting SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE key = 'catalogue';
END;

CREATE TRIGGER product_was_changed AFTER UPDATE ON product
BEGIN
    UPDATE setting SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE key = 'catalogue';
END;

CREATE TRIGGER product_was_removed AFTER DELETE ON product
BEGIN
    UPDATE setting SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE key = 'catalogue';
END;

-- The merchandising rules that hold: what following `shelf_event` gives, kept for quick reading.
CREATE TABLE rule (
    id INTEGER PRIMARY KEY,
    rule TEXT NOT NULL CHECK (json_valid(rule))
) STRICT;

-- Searches of the past. `card` is what people change: name, star, deleted; `record` is what the search was and gave.
CREATE TABLE search (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    author TEXT NOT NULL,
    card TEXT NOT NULL CHECK (json_valid(card)),
    -- BLAKE3 of the photo's file.
    content_hash TEXT NOT NULL,
    record TEXT NOT NULL CHECK (json_valid(record))
) STRICT;

-- Galleries that were searched: 16 bytes a photo, hashes of its id and of its content, in ascending order.
CREATE TABLE gallery_seen (
    fingerprint TEXT PRIMARY KEY,
    photos BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- All changes of rules and of searches' cards, in order, chained like `label_event`.
CREATE TABLE shelf_event (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    author TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('edit', 'undo', 'redo')),
    of_seq INTEGER REFERENCES shelf_event (seq),
    -- The newest label event at that time, so that both logs have one order.
    after_label INTEGER NOT NULL,
    about TEXT NOT NULL CHECK (about IN ('rule', 'search')),
    id INTEGER NOT NULL,
    before TEXT CHECK (before IS NULL OR json_valid(before)),
    after TEXT CHECK (after IS NULL OR json_valid(after)),
    says TEXT NOT NULL,
    hash TEXT NOT NULL,
    CHECK ((action = 'edit') = (of_seq IS NULL))
) STRICT;

CREATE TRIGGER shelf_event_is_never_changed BEFORE UPDATE ON shelf_event
BEGIN
    SELECT RAISE(ABORT, 'the log of rules and searches is append-only');
END;

CREATE TRIGGER shelf_event_is_never_deleted BEFORE DELETE ON shelf_event
BEGIN
    SELECT RAISE(ABORT, 'the log of rules and searches is append-only');
END;
