CREATE UNIQUE INDEX contact_email_key ON contact (email_key)
