select Name, "Name" from Contact
