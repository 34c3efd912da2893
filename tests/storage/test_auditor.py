"""What the auditor's role reads, table by table: whoever adds one decides it, here."""

from collections.abc import Mapping

from bascule.storage.database import Database

# Tables that the auditor does not read, each with its reason.
NOT_READ: Mapping[str, str] = {
    "address_epochs": "where a restored database goes on counting; no money",
    "api_keys": "hashes of secrets",
    "deliveries": "what a merchant's server was told, and when",
    "delivery_attempts": "answers of merchants' servers",
    "event_sequences": "a counter of the events",
    "events": "copies of rows as their owner sees them, clients' secrets among them",
    "file_parts": "reports that merchants asked for, people's names among them",
    "files": "the same, by name",
    "idempotency_keys": "answers as they were given, clients' secrets among them",
    "leases": "which process leads",
    "ledger.tally": "a sum that the journal itself says",
    "members": "names and addresses of people",
    "node_disagreements": "what nodes answered, byte by byte; nothing is booked by it",
    "node_pardons": "which node is asked again",
    "offers": "which node was offered which bytes",
    "outbox": "events before they have their number",
    "report_runs": "which reports merchants asked for",
    "requests": "who asked the API for what, and when; no money",
    "runs": "when scheduled work was done",
    "seen_transfers": "everybody's transfers of the last blocks, no matter whose",
    "sightings": "how far a watcher sees",
    "travel_rules": "names and addresses of people; their report is the operator's to hand out",
    "webhook_endpoints": "the secrets that sign webhooks",
}
# Columns that are left out of tables that the auditor does read, each with its reason.
HIDDEN: Mapping[str, str] = {
    "invoices.customer": "a person's name, email and address",
    "payment_intents.client_secret": "opens the customer's page",
    "refunds.claim_hash": "of what claims a refund",
}

TABLES = """
SELECT regexp_replace(c.oid::regclass::text, '^public\\.', ''),
       has_any_column_privilege('bascule_auditor', c.oid, 'SELECT'),
       coalesce(array_agg(a.attname::text) FILTER (
           WHERE NOT has_column_privilege('bascule_auditor', c.oid, a.attnum, 'SELECT')), '{}')
  FROM pg_class AS c
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relnamespace IN ('public'::regnamespace, 'ledger'::regnamespace)
 GROUP BY c.oid"""


async def test_auditor_reads_every_table_but_those_that_are_named_with_a_reason(db: Database) -> None:
    async with db.read() as conn:
        rows = await (await conn.execute(TABLES.encode())).fetchall()

    assert {table for table, read, _ in rows if not read} == set(NOT_READ)
    assert {f"{table}.{column}" for table, read, hidden in rows if read for column in hidden} == set(HIDDEN)
