"""How the world calls us: HTTP, command line, pages, schedules, wiring, the local chain."""
