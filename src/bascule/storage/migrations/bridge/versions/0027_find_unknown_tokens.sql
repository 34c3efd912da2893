-- What came in a token before it was accepted is looked for at each finality, among whatever else was ever sent to us.
CREATE INDEX deposits_of_unknown_tokens ON deposits (chain_id, token) WHERE token_id IS NULL;
