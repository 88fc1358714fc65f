CREATE INDEX contact_tag_by_tag ON contact_tag (tag, contact_id)
