CREATE TABLE deal (
    id INTEGER NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    description TEXT,
    
    amount BIGINT NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL,
    stage TEXT NOT NULL,
    
    probability INTEGER NOT NULL CHECK (probability BETWEEN 0 AND 100),
    
    contact_id INTEGER REFERENCES contact (id),
    
    expected_close_date TEXT,
    
    search_text TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
)
