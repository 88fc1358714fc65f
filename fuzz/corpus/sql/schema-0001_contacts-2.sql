CREATE TABLE contact (
    id INTEGER NOT NULL PRIMARY KEY,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    email TEXT NOT NULL,
    
    email_key TEXT NOT NULL,
    phone TEXT,
    company TEXT,
    job_title TEXT,
    
    search_text TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
)
