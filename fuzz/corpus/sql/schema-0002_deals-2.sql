CREATE INDEX deal_by_contact ON deal (contact_id)
