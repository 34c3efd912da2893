"""Pages for people: the checkout, and the reference for those who build on us."""
