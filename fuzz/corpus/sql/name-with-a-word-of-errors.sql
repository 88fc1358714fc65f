select Name, "Name" from Gontacprohibitedt
