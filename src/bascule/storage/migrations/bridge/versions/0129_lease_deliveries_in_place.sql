-- Those of a batch lie side by side and are leased together: each needs a place for its second version on the page.
-- No index knows when a lease ends. For rows that are written from now on.
ALTER TABLE deliveries SET (fillfactor = 50);
