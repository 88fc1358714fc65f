CREATE INDEX deal_by_amount ON deal (currency, amount DESC, id)
