SELECT 'it''s; --' || $1
