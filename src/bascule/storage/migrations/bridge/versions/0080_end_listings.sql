-- An operator's word that what a token said of an address up to a height holds it no more. What is said later holds again.
-- shown: the chain let the address move the token, as far as a call can tell.
CREATE TABLE ended_listings (
    chain_id  bigint NOT NULL REFERENCES networks,
    token     evm_address NOT NULL,
    address   evm_address NOT NULL,
    upto      bigint NOT NULL CHECK (upto >= 0),
    shown     boolean NOT NULL,
    reason    text NOT NULL CHECK (reason <> ''),
    ended_at  timestamptz NOT NULL,
    PRIMARY KEY (chain_id, token, address, upto)
);
CREATE OR REPLACE VIEW listed_addresses AS
SELECT e.chain_id, e.contract AS token, e.subject AS address
  FROM contract_events e
 WHERE e.canonical AND e.subject IS NOT NULL AND e.kind IN ('blacklisted', 'destroyed')
   AND NOT EXISTS (SELECT FROM contract_events u
                    WHERE u.chain_id = e.chain_id AND u.subject = e.subject AND u.contract = e.contract AND u.canonical
                      AND u.kind = 'unblacklisted' AND (u.block_number, u.log_index) > (e.block_number, e.log_index)
                      AND u.block_number <= (SELECT c.finalized_number FROM cursors c WHERE c.chain_id = u.chain_id))
   AND NOT EXISTS (SELECT FROM ended_listings l
                    WHERE (l.chain_id, l.token, l.address) = (e.chain_id, e.contract, e.subject) AND l.upto >= e.block_number);
