-- Payouts of a batch are of one moment, so that most rows of this index were alike: each change of a payout's state looked
-- through them for its place, longer than all other indexes together take. Whoever counts what an account asked for since
-- a moment names its mode, and finds it in payouts_by_account.
DROP INDEX payouts_by_time;
