SELECT $$text$$
