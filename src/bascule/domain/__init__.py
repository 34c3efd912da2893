"""What is true: money, ids, state machines and rules. Pure: no clock, no environment, no I/O."""
