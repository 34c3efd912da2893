"""What we do: workers over use-cases over policy over the books over the outbox."""
