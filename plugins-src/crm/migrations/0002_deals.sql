CREATE TABLE deal (
    id INTEGER NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    description TEXT,
    -- In minor units of the currency: cents, where it has them.
    amount BIGINT NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL,
    stage TEXT NOT NULL,
    -- In percent.
    probability INTEGER NOT NULL CHECK (probability BETWEEN 0 AND 100),
    -- A contact cannot be deleted while a deal refers to it.
    contact_id INTEGER REFERENCES contact (id),
    -- As YYYY-MM-DD.
    expected_close_date TEXT,
    -- Title and description in lower case, one a line: what a search looks through.
    search_text TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX deal_by_contact ON deal (contact_id);

-- For the list of the most valuable deals.
CREATE INDEX deal_by_amount ON deal (currency, amount DESC, id);

-- Holds all that the summary of the pipeline adds up, in the order it groups by.
CREATE INDEX deal_figures ON deal (currency, stage, amount, probability);
