"""What is unique of a merchant is unique in one mode: a test takes no name, number or place of live."""

from collections.abc import Mapping

from bascule.storage.database import Database

ONE_MODE = "what it names is in one mode itself"
CHAINS = "a chain is in one mode"
# Unique keys of what belongs to accounts, or has a mode, that do without the mode; each with its reason.
WITHOUT: Mapping[str, str] = {
    "api_keys_lookup_key": "a key's first letters say the mode",
    "approvers_pkey": "people, whose signatures name a chain, which is in one mode",
    "authorizations_chain_id_wallet_slot_key": CHAINS,
    "authorizations_deposit_id_key": ONE_MODE,
    "authorizations_token_id_payer_nonce_key": CHAINS,
    "checkout_sessions_payment_intent_id_key": ONE_MODE,
    "one_deposit_per_payment": CHAINS,
    "deposit_addresses_chain_id_factory_epoch_n_key": CHAINS,
    "deposit_addresses_pkey": CHAINS,
    "early_policies_pkey": "what the operator agreed with an account; both modes try the same",
    "fee_versions_pkey": "what the operator agreed with an account; both modes try the same",
    "fees_fixed_once": ONE_MODE,
    "fees_pkey": ONE_MODE,
    "standing_addresses_account_id_chain_id_address_key": CHAINS,
    "standing_addresses_chain_id_address_key": CHAINS,
    "standing_addresses_pkey": CHAINS,
    "files_run_id_path_key": ONE_MODE,
    "networks_name_key": "the installation's own names; none is in both modes",
    "networks_pkey": CHAINS,
    "one_open_break_per_subject": "its subject is an object, or what the whole installation has one of",
    "one_intent_a_quote": ONE_MODE,
    "one_intent_an_invoice": ONE_MODE,
    "one_payout_identity_per_refund": ONE_MODE,
    "one_payout_per_place": ONE_MODE,
    "one_payout_per_vault_id": CHAINS,
    "outbox_event_id_key": ONE_MODE,
    "refunds_claim_hash_key": ONE_MODE,
    "refunds_payout_id_key": ONE_MODE,
    "reissued_once": ONE_MODE,
    "screenings_hold_deposit": ONE_MODE,
    "screenings_hold_payout": ONE_MODE,
    "screenings_once_deposit": ONE_MODE,
    "screenings_once_payout": ONE_MODE,
    "settlements_payout_id_key": ONE_MODE,
    "travel_rules_pkey": ONE_MODE,
}

# Of every table of merchants: its unique keys, but for those of an id alone, whose letters are drawn.
KEYS = """
SELECT i.relname, EXISTS (
           SELECT FROM pg_attribute AS a
            WHERE a.attrelid = t.oid AND a.attnum = ANY (x.indkey) AND a.attname = 'livemode') AS has_mode
  FROM pg_index AS x JOIN pg_class AS t ON t.oid = x.indrelid JOIN pg_class AS i ON i.oid = x.indexrelid
  JOIN pg_namespace AS n ON n.oid = t.relnamespace
 WHERE x.indisunique AND n.nspname = 'public' AND t.relkind IN ('r', 'p') AND NOT t.relispartition
   AND EXISTS (
       SELECT FROM pg_attribute AS a
        WHERE a.attrelid = t.oid AND a.attname IN ('livemode', 'account_id') AND NOT a.attisdropped)
   AND NOT (x.indnkeyatts = 1 AND EXISTS (
       SELECT FROM pg_attribute AS a
        WHERE a.attrelid = t.oid AND a.attnum = x.indkey[0] AND a.attname = 'id'))
"""


async def test_every_unique_key_of_a_merchants_noun_says_the_mode_or_why_it_need_not(db: Database) -> None:
    async with db.read() as conn:
        rows = await (await conn.execute(KEYS)).fetchall()
    without = {name for name, has_mode in rows if not has_mode}

    assert without == WITHOUT.keys()
    assert len(rows) - len(without) >= 14
