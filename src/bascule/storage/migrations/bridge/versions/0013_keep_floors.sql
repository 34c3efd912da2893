-- From which amounts on arrivals of a token count: below `dust` they are spam, below `minimum` too little.
ALTER TABLE tokens ADD COLUMN dust base_units NOT NULL DEFAULT 0,
                   ADD COLUMN minimum base_units NOT NULL DEFAULT 0;

-- An address of ours whose intent we do not know (any more): what comes there is `no_intent`, of the address's account.
ALTER TABLE deposit_addresses ALTER COLUMN intent_id DROP NOT NULL;
