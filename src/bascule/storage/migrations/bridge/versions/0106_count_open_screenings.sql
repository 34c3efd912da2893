CREATE INDEX screenings_open ON screenings (created_at) WHERE state = 'open';
