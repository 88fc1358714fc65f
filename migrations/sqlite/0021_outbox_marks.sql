-- When the mark of an outbox was written last. Whoever publishes writes it again now and then, so that another host on the
-- same databases does not take it for one that nobody needs.
ALTER TABLE event_outbox ADD COLUMN marked_at_us INTEGER NOT NULL DEFAULT 0;
