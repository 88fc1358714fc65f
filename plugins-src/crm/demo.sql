INSERT INTO contact (id, first_name, last_name, email, email_key, phone, company, job_title, search_text, created_at, updated_at) VALUES
    (1, 'John', 'Doe', 'john.doe@acme.com', 'john.doe@acme.com', '+1-555-0101', 'Acme Corp', 'CEO',
     'john
doe
john.doe@acme.com', 1767259800000000, 1767259800000000),
    (2, 'Jane', 'Smith', 'jane.smith@techco.com', 'jane.smith@techco.com', '+1-555-0102', 'TechCo', 'CTO',
     'jane
smith
jane.smith@techco.com', 1767346200000000, 1767346200000000),
    (3, 'Maria', 'Keller', 'maria.keller@acme.com', 'maria.keller@acme.com', '+1-555-0103', 'Acme Corp', 'Head of Purchasing',
     'maria
keller
maria.keller@acme.com', 1767432600000000, 1767432600000000),
    (4, 'Ravi', 'Patel', 'ravi.patel@northwind.com', 'ravi.patel@northwind.com', '+1-555-0104', 'Northwind Logistics', 'Operations Manager',
     'ravi
patel
ravi.patel@northwind.com', 1767519000000000, 1767519000000000);

INSERT INTO contact_tag (contact_id, tag) VALUES
    (1, 'enterprise'),
    (1, 'vip'),
    (2, 'enterprise'),
    (2, 'technical'),
    (3, 'enterprise'),
    (4, 'smb');

INSERT INTO deal (id, title, description, amount, currency, stage, probability, contact_id, expected_close_date, search_text, created_at, updated_at) VALUES
    (1, 'Acme Enterprise', 'Licences for every department', 5000000, 'USD', 'qualified', 40, 1, '2027-03-19',
     'acme enterprise
licences for every department', 1767605400000000, 1767605400000000),
    (2, 'TechCo Platform', 'The platform with support for three years', 10000000, 'USD', 'proposal', 55, 2, '2027-02-26',
     'techco platform
the platform with support for three years', 1767691800000000, 1767691800000000),
    (3, 'Acme Training', 'Workshops for two hundred people', 5000000, 'USD', 'proposal', 60, 3, '2027-01-29',
     'acme training
workshops for two hundred people', 1767778200000000, 1767778200000000),
    (4, 'Northwind Rollout', 'Twelve warehouses, one after the other', 5000000, 'USD', 'negotiation', 75, 4, '2027-01-15',
     'northwind rollout
twelve warehouses, one after the other', 1767864600000000, 1767864600000000);

INSERT INTO counter (kind, used) VALUES ('contact', 4), ('deal', 4);
