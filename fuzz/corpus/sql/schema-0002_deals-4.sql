CREATE INDEX deal_figures ON deal (currency, stage, amount, probability)
