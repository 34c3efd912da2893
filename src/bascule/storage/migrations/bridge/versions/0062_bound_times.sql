-- PostgreSQL knows infinite times and years beyond 9999, which no process of ours can read: one such row, written by the
-- API's login, would stop every lane that meets it.
ALTER TABLE payouts ADD CONSTRAINT times_can_be_read CHECK (
    approval_expires_at BETWEEN '2000-01-01Z' AND '9000-01-01Z' AND created_at BETWEEN '2000-01-01Z' AND '9000-01-01Z');
ALTER TABLE payout_batches ADD CONSTRAINT times_can_be_read CHECK (
    approval_expires_at BETWEEN '2000-01-01Z' AND '9000-01-01Z' AND created_at BETWEEN '2000-01-01Z' AND '9000-01-01Z');
ALTER TABLE mandates ADD CONSTRAINT times_can_be_read CHECK (
    expires_at BETWEEN '2000-01-01Z' AND '9000-01-01Z' AND created_at BETWEEN '2000-01-01Z' AND '9000-01-01Z');
ALTER TABLE policies ADD CONSTRAINT times_can_be_read CHECK (created_at BETWEEN '2000-01-01Z' AND '9000-01-01Z');
ALTER TABLE destinations ADD CONSTRAINT times_can_be_read CHECK (
    created_at BETWEEN '2000-01-01Z' AND '9000-01-01Z' AND archived_at BETWEEN '2000-01-01Z' AND '9000-01-01Z');
ALTER TABLE payout_cancels ADD CONSTRAINT times_can_be_read CHECK (
    requested_at BETWEEN '2000-01-01Z' AND '9000-01-01Z');
