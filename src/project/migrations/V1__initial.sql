-- Plain values by name: the project's name, the model that searches, how a sample was made.
CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE product (
    product TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    split TEXT CHECK (split IN ('train', 'validation', 'test')),
    attributes TEXT NOT NULL CHECK (json_valid(attributes))
) STRICT, WITHOUT ROWID;

-- A photo's id is its path inside the project. Product, kind and box are what came with the data; what people say later is in `label`.
CREATE TABLE photo (
    photo TEXT PRIMARY KEY,
    domain TEXT NOT NULL CHECK (domain IN ('street', 'shop')),
    product TEXT REFERENCES product (product),
    view INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    -- The main garment: its kind and the box of its visible pixels.
    kind TEXT,
    box_x REAL,
    box_y REAL,
    box_width REAL,
    box_height REAL,
    -- BLAKE3 of the file when it joined the project; NULL where the file was not there.
    content_hash TEXT,
    -- The name that a photo from outside had.
    source_name TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX photo_by_domain ON photo (domain, photo);
CREATE INDEX photo_by_product ON photo (product);
CREATE INDEX photo_by_hash ON photo (content_hash);

-- All garments of a photo with their dense maps. Apart from `photo`, because it is large and seldom read.
CREATE TABLE photo_truth (
    photo TEXT PRIMARY KEY REFERENCES photo (photo) ON DELETE CASCADE,
    garments TEXT NOT NULL CHECK (json_valid(garments))
) STRICT;

-- All that was ever said, in order. `hash` covers the line and the line before it, so that a change made outside the program shows.
CREATE TABLE label_event (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    author TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('edit', 'undo', 'redo')),
    -- The edit that is taken back or made again.
    of_seq INTEGER REFERENCES label_event (seq),
    key TEXT NOT NULL CHECK (json_valid(key)),
    photo TEXT NOT NULL REFERENCES photo (photo),
    before TEXT CHECK (before IS NULL OR json_valid(before)),
    after TEXT CHECK (after IS NULL OR json_valid(after)),
    says TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- The checkpoint whose answer the person saw.
    model TEXT,
    hash TEXT NOT NULL,
    CHECK ((action = 'edit') = (of_seq IS NULL))
) STRICT;

CREATE INDEX label_event_by_photo ON label_event (photo);

CREATE TRIGGER label_event_is_never_changed BEFORE UPDATE ON label_event
BEGIN
    SELECT RAISE(ABORT, 'the label log is append-only');
END;

CREATE TRIGGER label_event_is_never_deleted BEFORE DELETE ON label_event
BEGIN
    SELECT RAISE(ABORT, 'the label log is append-only');
END;

-- The present answers: what replaying `label_event` gives, kept for quick reading.
CREATE TABLE label (
    key TEXT PRIMARY KEY,
    photo TEXT NOT NULL REFERENCES photo (photo),
    label TEXT NOT NULL CHECK (json_valid(label)),
    seq INTEGER NOT NULL REFERENCES label_event (seq),
    -- Grows with each change; a writer that saw an older one is refused.
    rev INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX label_by_seq ON label (seq);
CREATE INDEX label_by_photo ON label (photo);

-- Which answers a checkpoint has learnt from.
CREATE TABLE trained_on (
    checkpoint TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL CHECK (json_valid(value)),
    PRIMARY KEY (checkpoint, key)
) STRICT, WITHOUT ROWID;
